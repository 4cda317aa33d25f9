"""Runs MindFormers' Trainer on one of its YAMLs. Nothing of MindFormers is imported before it is known to be there."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from sfm_ms.recipe import RecipeError, load
from sfm_ms.train.mindformers_package import LOG, MISSING, is_installed


def train(file: Path) -> Path:
    """Trains, writing to the YAML's output_dir and to the run of its recipe, whose folder it returns.

    RecipeError: the YAML or the recipe in it is wrong, or MindFormers is not installed. RunError: there is such a run already.
    """
    output = output_of(file)
    if not is_installed():
        raise RecipeError(f"{file}: {MISSING}")
    os.environ.setdefault("GLOG_v", "3")  # of MindSpore's own messages only errors
    os.environ.setdefault(LOG, str(output / "log"))
    from mindformers import MindFormerConfig, Trainer
    from mindformers.core.context import build_context
    from mindformers.utils import set_output_path

    try:
        config = MindFormerConfig(str(file))
    except (KeyError, ValueError) as error:
        raise RecipeError(f"{file}: {error}") from error
    set_output_path(config.output_dir)
    build_context(config)
    from sfm_ms.mindformers_trainer import registered  # what the YAML names
    from sfm_ms.mindformers_trainer.run import begun, finish
    from sfm_ms.train.parallel import Ranks

    ranks, of_model = Ranks(), registered.ThinkerConfig(**config.model.model_config)
    recipe = load(of_model.recipe, of_model.overrides)
    run = ranks.in_turn(lambda: begun(recipe, Path(of_model.runs)))
    trainer = Trainer(config)
    trainer.train()
    if ranks.rank == 0:
        trained = trainer.trainer  # MindFormers' own word for what holds network and optimizer
        finish(run, trained.network, int(trained.optimizer.global_step.asnumpy()[0]))
    return run.path


def output_of(file: Path) -> Path:
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{file}: cannot be read as YAML: {error}") from error
    output = tree.get("output_dir") if isinstance(tree, dict) else None
    if not isinstance(output, str):
        raise RecipeError(f"{file}: output_dir: expected a folder, got {output!r}")
    return Path(output)
