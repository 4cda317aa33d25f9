"""The recipe's model as training begins with it: its weights, random, a checkpoint's or another run's, and what is frozen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mindspore import nn

from sfm_ms.convert import load_qwen2, resize_vocabulary
from sfm_ms.data.hf_tokenizer import HfTokenizer
from sfm_ms.data.input_shape import input_shape
from sfm_ms.models import build
from sfm_ms.models.qwen2 import Qwen2
from sfm_ms.models.thinker import base_config_of
from sfm_ms.recipe import Recipe, RecipeError
from sfm_ms.train import checkpoint
from sfm_ms.train.optim import freeze
from sfm_ms.train.run_folder import RunError, RunFolder

SIZES = ("vocabulary", "dim", "feed_forward_dim", "num_layers", "num_heads", "num_key_value_heads", "is_tied")


def model_of(recipe: Recipe, runs: Path) -> nn.Cell:
    """A function of the recipe, the checkpoint and the run in `runs` that it names.

    RecipeError where the checkpoint does not fit, RunError or CheckpointError where the run does not.
    """
    of_checkpoint = [qwen2_of(recipe)] if getattr(recipe.model, "checkpoint", "") else []
    model = build(recipe, input_shape(recipe), *of_checkpoint)
    try:
        freeze(model.get_parameters(), recipe.training.frozen)
    except ValueError as error:
        raise RecipeError(str(error)) from error
    if recipe.init_from:
        weights = weights_of(RunFolder.existing(runs, recipe.init_from))
        own = {parameter.name: parameter for parameter in model.get_parameters()}
        checkpoint.restore({name: own[name] for name in weights if name in own}, weights)
    return model


def weights_of(run: RunFolder) -> dict[str, np.ndarray]:
    """What the run has trained, at its best, and what it took over from the run that it began with."""
    (best, _), recipe = best_of(run), run.recipe()
    inherited = weights_of(RunFolder.existing(run.path.parent, recipe.init_from)) if recipe.init_from else {}
    return inherited | best.model


def best_of(run: RunFolder) -> tuple[checkpoint.Checkpoint, list[str]]:
    """The run's best checkpoint or else another whole one, and a warning for each that was passed over."""
    found = checkpoint.load_newest(run.checkpoints, preferred="best")
    if found is None:
        raise RunError(f"{run.path} has no checkpoint yet; train it first")
    return found


def qwen2_of(recipe: Recipe) -> Qwen2:
    """That of model.checkpoint, with rows for the special tokens of samples."""
    model, num_rows = recipe.model, recipe.task.vocabulary
    try:
        base = load_qwen2(model.checkpoint, model.dtype, attention=model.attention)
        tokenizer = HfTokenizer.load(model.checkpoint)
    except ValueError as error:
        raise RecipeError(f"model.checkpoint: {error}") from error
    resize_vocabulary(base, tokenizer.num_known, tokenizer.num_tokens, recipe.seed)
    expected = base_config_of(model, num_rows)
    for name in SIZES:
        there, here = getattr(base.config, name), getattr(expected, name)
        if there != here:
            path = "task.vocabulary" if name == "vocabulary" else f"model.{name}"
            raise RecipeError(f"{path}: the checkpoint {model.checkpoint} has {there}, the recipe {here}")
    return base
