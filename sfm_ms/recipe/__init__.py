"""What to train and how: YAML recipes, read into frozen dataclasses. No MindSpore here."""

from sfm_ms.recipe.load import RecipeError, find, load, names, read, to_yaml
from sfm_ms.recipe.schema import Recipe

__all__ = ["Recipe", "RecipeError", "find", "load", "names", "read", "to_yaml"]
