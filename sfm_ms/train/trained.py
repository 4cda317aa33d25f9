"""A model as a run left it: its weights from the best whole checkpoint."""

from __future__ import annotations

from typing import NamedTuple

from mindspore import nn

from sfm_ms.train import checkpoint
from sfm_ms.train.building import best_of, model_of
from sfm_ms.train.run_folder import RunFolder


class Trained(NamedTuple):
    """`is_best` is False where the best checkpoint is damaged and another one stepped in."""

    model: nn.Cell
    step: int
    is_best: bool


def load(run: RunFolder) -> Trained:
    """Prints which damaged checkpoints it passed over. Raises RunError or CheckpointError where no whole one is left."""
    saved, warnings = best_of(run)
    for warning in warnings:
        print(f"passed over a damaged checkpoint: {warning}")
    if warnings:
        print(f"using step {saved.state['step']} instead; results.json and plots stay as they are")
    model = model_of(run.recipe(), run.path.parent)
    checkpoint.restore({parameter.name: parameter for parameter in model.trainable_params()}, saved.model)
    return Trained(model, saved.state["step"], is_best=not warnings)
