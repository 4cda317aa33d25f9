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
    """Batch of step s, for any s: epochs of the recipe's training programs, each in an order of its own.

    Programs of a batch have equally many segments, but for a few batches. Those programs that fill no last batch of an
    epoch sit it out, other ones in each epoch.
    """

    def __init__(self, recipe: Recipe):
        task = recipe.task
        self.seed, self.batch_size = recipe.seed, recipe.training.batch_size
        self.batches_in_epoch = task.train_programs // self.batch_size
        programs = training_programs(recipe)
        self.segment = recipe.training.segment_statements
        self.num_segments = -(-programs.lengths // self.segment)
        self.statements = state_tracking.encode(programs)
        asked, self.labels, self.weights = state_tracking.supervise(programs, task.supervision, task.statement_weight)
        self.questions = state_tracking.question_tokens(programs.language, asked)
        self.curriculum_steps, self.num_initial = task.curriculum_steps, task.num_variables
        self.epoch, self.order = -1, np.empty(0)

    def __getitem__(self, step: int) -> Batch:
        rows = self._rows(step)
        length = self.num_segments[rows].max() * self.segment
        statements, labels, weights = (
            in_segments(array[rows, :length], self.segment) for array in (self.statements, self.labels, self.weights)
        )
        weights[:, self.horizon(step) :] = 0
        return Batch(statements, self.questions[rows], labels, weights)

    def horizon(self, step: int) -> int:
        """How many statements of each program the loss looks at, from one operation to all of them."""
        num_statements = self.statements.shape[1]
        if step >= self.curriculum_steps:
            return num_statements
        first = self.num_initial + 1
        return first + (num_statements - first) * step // self.curriculum_steps

    def _rows(self, step: int) -> np.ndarray:
        """The programs of a step's batch."""
        epoch, place = divmod(step, self.batches_in_epoch)
        if epoch != self.epoch:
            generator = np.random.Generator(np.random.Philox(key=[self.seed, _ORDER_STREAM], counter=[0, 0, 0, epoch]))
            rows = generator.permutation(len(self.num_segments))[: self.batches_in_epoch * self.batch_size]
            by_length = rows[np.argsort(self.num_segments[rows], kind="stable")]
            self.epoch, self.order = epoch, generator.permutation(by_length.reshape(-1, self.batch_size))
        return self.order[place]


def in_segments(array: np.ndarray, segment: int) -> np.ndarray:
    """(B, T, ...) padded with zeros until T is a multiple of the segment."""
    missing = -array.shape[1] % segment
    return np.pad(array, [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2)) if missing else array
