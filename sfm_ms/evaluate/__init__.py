"""Evaluates a run from its checkpoint alone: what it says of programs (programs.py, thinker.py) or of texts (texts.py)."""

from __future__ import annotations

from collections.abc import Iterable

from sfm_ms.evaluate import programs, texts, thinker
from sfm_ms.recipe import Recipe
from sfm_ms.train.run_folder import RunFolder

EVALUATIONS = {"state_tracking": programs, "python_code": texts, "code_execution": thinker}  # by the task's kind


def evaluate(run: RunFolder, multipliers: Iterable[int] | None = None) -> dict:
    """The results of the run's best checkpoint, also written to results.json and plots/ with the recipe's own lengths.

    With other multipliers, or where the best checkpoint is damaged and another one steps in, they are returned only.
    Raises RunError or CheckpointError.
    """
    return EVALUATIONS[run.recipe().task.kind].evaluate(run, multipliers)


def table(results: dict, recipe: Recipe) -> str:
    """The results as text."""
    return EVALUATIONS[recipe.task.kind].table(results, recipe)
