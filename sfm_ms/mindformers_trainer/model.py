"""Thinker as MindFormers builds it from a YAML and calls it in training.

Shapes: B rows, T places, P samples of a row at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mindformers.models import PretrainedConfig, PreTrainedModel
from mindformers.tools.register import MindFormerModuleType, MindFormerRegister
from mindspore import Tensor, ops
from mindspore import dtype as mstype

from sfm_ms.recipe import load
from sfm_ms.train.building import model_of
from sfm_ms.train.thinker_step import ThinkerLoss


@MindFormerRegister.register(MindFormerModuleType.CONFIG)
class ThinkerConfig(PretrainedConfig):
    """A recipe of code execution by path or name, and overrides a.b=c.

    Its task, model and seed count, and of its training what the loss is made of and what is frozen. Steps, batches, optimizer
    and schedule are those of the YAML. `runs`: where the run is that the recipe's init_from names.
    """

    model_type = "thinker"

    def __init__(self, recipe: str = "debug/thinker", overrides: Sequence[str] = (), runs: str = "runs", **of_mindformers):
        super().__init__(**of_mindformers)
        self.recipe, self.overrides, self.runs = recipe, list(overrides), runs


@MindFormerRegister.register(MindFormerModuleType.MODELS)
class ThinkerForTraining(PreTrainedModel):
    """(a batch of data.ThinkerDataLoader by the names of its columns) -> the loss that train/thinker_step.py has, float32.

    Its means are over the batch of one process: with several of them the Trainer takes the mean of their means.
    """

    config_class = ThinkerConfig

    def __init__(self, config: ThinkerConfig):
        super().__init__(config, auto_prefix=False)  # parameters keep their names
        recipe = load(config.recipe, config.overrides)
        self.thinker = model_of(recipe, Path(config.runs))
        self.loss = ThinkerLoss(self.thinker, recipe)

    def construct(self, input_ids, labels, loss_mask, segments, expected, judged, is_correct, is_sample):
        """(B, T) each up to segments, then (B, P) each; labels are the next tokens already."""
        weights, judged_weights, told_weights = shares(loss_mask), shares(is_sample), shares(is_sample * is_correct)
        of_samples = (expected, judged, is_correct, judged_weights, told_weights)
        return self.loss(input_ids, segments, labels, weights, *of_samples)[0]


def shares(weights):
    """Of their sum; of no weights at all 0."""
    return weights / ops.maximum(weights.sum(), Tensor(1.0, mstype.float32))
