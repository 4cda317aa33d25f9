"""Which programs a recipe trains, validates and tests on: streams of random numbers that never meet."""

from __future__ import annotations

import numpy as np

from sfm_ms.recipe.schema import Recipe
from sfm_ms.tasks.state_tracking import Language, Programs, generate

_TRAINING, _VALIDATION, _FIRST_TEST = 0, 1, 2


def language(recipe: Recipe) -> Language:
    """What the recipe's programs are written with."""
    task = recipe.task
    return Language(task.family, task.num_variables, task.modulus)


def training_programs(recipe: Recipe) -> Programs:
    """All of them; training goes over them epoch by epoch."""
    task = recipe.task
    return _programs(recipe, _TRAINING, task.train_programs, task.min_operations, task.max_operations)


def validation_programs(recipe: Recipe) -> Programs:
    """Of the training distribution; the best checkpoint is chosen by them."""
    task = recipe.task
    return _programs(recipe, _VALIDATION, task.validation_programs, task.min_operations, task.max_operations)


def test_programs(recipe: Recipe, multiplier: int) -> Programs:
    """Of exactly test_base_operations x multiplier operations."""
    operations = recipe.task.test_base_operations * multiplier
    return _programs(recipe, _FIRST_TEST + multiplier, recipe.task.test_programs, operations, operations)


def _programs(recipe: Recipe, stream: int, count: int, min_operations: int, max_operations: int) -> Programs:
    return generate(language(recipe), recipe.seed, stream, np.arange(count), min_operations, max_operations)
