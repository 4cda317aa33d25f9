"""Batches of state-tracking programs as padded token arrays.

Shapes: B programs, T statements (a multiple of the segment), W tokens a statement, Q questions a program.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sfm_ms.data.splits import training_programs
from sfm_ms.recipe.schema import Recipe
from sfm_ms.tasks import state_tracking

_ORDER_STREAM = 2**32  # of the random numbers that shuffle an epoch; far from the streams that make programs


class Batch(NamedTuple):
    """Arrays for one training step; programs are padded with statements of zeros."""

    statements_BTW: np.ndarray
    questions_BQ: np.ndarray
    labels_BTQ: np.ndarray
    weights_BTQ: np.ndarray


class TrainingBatches:
    """Batch of step s, for any s: epochs of the recipe's training programs, each in an order of its own."""

    def __init__(self, recipe: Recipe):
        task = recipe.task
        self.seed, self.batch_size, self.num_programs = recipe.seed, recipe.training.batch_size, task.train_programs
        programs = training_programs(recipe)
        self.statements = state_tracking.encode(programs)
        asked, self.labels, self.weights = state_tracking.supervise(programs, task.supervision, task.statement_weight)
        self.questions = state_tracking.question_tokens(asked)
        self.segment = recipe.training.segment_statements
        self.epoch, self.order = -1, np.empty(0)

    def __getitem__(self, step: int) -> Batch:
        rows = np.array([self._program(position) for position in range(step * self.batch_size, (step + 1) * self.batch_size)])
        statements, labels, weights = (
            in_segments(array[rows], self.segment) for array in (self.statements, self.labels, self.weights)
        )
        return Batch(statements, self.questions[rows], labels, weights)

    def _program(self, position: int) -> int:
        epoch, place = divmod(position, self.num_programs)
        if epoch != self.epoch:
            generator = np.random.Generator(np.random.Philox(key=[self.seed, _ORDER_STREAM], counter=[0, 0, 0, epoch]))
            self.epoch, self.order = epoch, generator.permutation(self.num_programs)
        return self.order[place]


def in_segments(array: np.ndarray, segment: int) -> np.ndarray:
    """(B, T, ...) padded with zeros until T is a multiple of the segment."""
    missing = -array.shape[1] % segment
    return np.pad(array, [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2)) if missing else array
