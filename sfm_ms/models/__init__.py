"""The models, by the `kind:` of a recipe."""

from sfm_ms.models import thinker
from sfm_ms.models.gru import GruTracker
from sfm_ms.models.linear_attention import LinearAttentionTracker
from sfm_ms.models.state_flow_machine import StateFlowMachine
from sfm_ms.models.state_tracker import StateTracker
from sfm_ms.models.static_slots import StaticSlots
from sfm_ms.models.text_transformer import TextTransformer
from sfm_ms.models.transformer import Transformer
from sfm_ms.nn.cost import num_parameters as num_parameters

MODELS = {
    "state_tracker": StateTracker,
    "transformer": Transformer,
    "gru": GruTracker,
    "linear_attention": LinearAttentionTracker,
    "static_slots": StaticSlots,
    "state_flow_machine": StateFlowMachine,
    "text_transformer": TextTransformer,
    "thinker": thinker.of_recipe,
}


def build(recipe, shape, *base):
    """The recipe's model with its initial weights: a pure function of the recipe and of the shape of its task's input.

    base: for a Thinker, the Qwen2 that it is built around; a random one where there is none.
    """
    return MODELS[recipe.model.kind](recipe.model, shape, recipe.seed, *base)
