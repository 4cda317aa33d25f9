"""The models, by the `kind:` of a recipe."""

from sfm_ms.models.state_tracker import StateTracker

MODELS = {"state_tracker": StateTracker}


def build(recipe, shape):
    """The recipe's model with its initial weights: a pure function of the recipe and of the shape of its task's input."""
    return MODELS[recipe.model.kind](recipe.model, shape, recipe.seed)
