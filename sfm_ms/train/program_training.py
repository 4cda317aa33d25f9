"""What the trainer does with state-tracking programs: a step, validation by exact match, and what to say of both."""

from __future__ import annotations

import functools

from mindspore import nn

from sfm_ms.data.batches import TrainingBatches
from sfm_ms.data.splits import validation_programs
from sfm_ms.recipe import Recipe
from sfm_ms.tasks import state_tracking
from sfm_ms.train.metrics import Answerer
from sfm_ms.train.parallel import Ranks
from sfm_ms.train.run_folder import RunFolder
from sfm_ms.train.step import TrainingStep
from sfm_ms.train.training import Training


class ProgramTraining(Training):
    figures = ("loss", "value_accuracy", "mean_ticks", "gradient_norm")
    validated = ("validation_exact_match",)
    rows = "programs"

    def __init__(self, recipe: Recipe, model: nn.Cell, folder: RunFolder, ranks: Ranks):
        self.recipe, self.step = recipe, TrainingStep(model, recipe)
        self.update = self.step.update
        self.answer = Answerer(model, recipe.training.segment_statements, recipe.evaluation.batch_size)

    @functools.cached_property
    def batches(self) -> TrainingBatches:
        return TrainingBatches(self.recipe)

    @functools.cached_property
    def programs(self) -> state_tracking.Programs:
        return validation_programs(self.recipe)

    def take_step(self, step: int, rate: float) -> dict[str, float]:
        return self.step(self.batches[step], rate)

    def validate(self) -> tuple[float, dict[str, float]]:
        exact_match = float((self.answer(self.programs).values == state_tracking.true_answers(self.programs)).mean())
        return exact_match, {"validation_exact_match": exact_match}

    def line(self, row: dict) -> str:
        line = f"loss {row['loss']:.4f}  values right {row['value_accuracy']:.2%}  ticks {row['mean_ticks']:.2f}"
        exact_match = row["validation_exact_match"]
        return line if exact_match == "" else f"{line}  validation {exact_match:.1%}"
