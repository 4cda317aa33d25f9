"""The run that MindFormers' Trainer trains a Thinker into: `sfm eval` and `sfm generate` take it like any other.

It has no metrics.csv, which is MindFormers' log, and of its recipe's optimizer and steps nothing was used.
"""

from __future__ import annotations

from pathlib import Path

from mindspore import nn

from sfm_ms.recipe import Recipe
from sfm_ms.train import checkpoint
from sfm_ms.train.run_folder import RunError, RunFolder
from sfm_ms.train.thinker_training import kept_tokenizer


def begun(recipe: Recipe, runs: Path) -> RunFolder:
    """runs/<name> with the recipe and its tokenizer. RunError: a trained run is there, or another recipe's."""
    run = RunFolder.for_training(runs, recipe)
    if run.checkpoints.exists():
        raise RunError(f"{run.path} is trained already; choose another name with name=... among the overrides of the YAML")
    kept_tokenizer(recipe, run)
    return run


def finish(run: RunFolder, thinker: nn.Cell, step: int) -> None:
    """Writes what the Thinker has learned in so many steps."""
    learned = {parameter.name: parameter for parameter in thinker.trainable_params()}
    checkpoint.save(run.checkpoints, step, checkpoint.Checkpoint(checkpoint.arrays(learned), {}, {"step": step}), keep=1)
    checkpoint.point(run.checkpoints, "best", step)
