"""Averages of a training interval, and the exact match of a model on programs of any length.

Shapes: P programs, B of them at a time, T statements (a multiple of the segment), W tokens a statement, C numbers.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn

from sfm_ms.data.batches import in_segments
from sfm_ms.tasks import state_tracking


class Interval:
    """Sums of per-step figures since the last log line; `state` goes into a checkpoint, so a resumed mean is the same."""

    def __init__(self, names: tuple[str, ...], state: dict | None = None):
        self.sums = state["sums"] if state else dict.fromkeys(names, 0.0)
        self.count = state["count"] if state else 0

    def add(self, **figures: float) -> None:
        for name, figure in figures.items():
            self.sums[name] += figure
        self.count += 1

    def means(self) -> dict[str, float]:
        return {name: total / self.count for name, total in self.sums.items()}

    def state(self) -> dict:
        return {"sums": dict(self.sums), "count": self.count}


class _Answer(nn.Cell):
    """-> the most likely value of each question after the segment, (B, Q), and the slots."""

    def __init__(self, model: nn.Cell):
        super().__init__()
        self.model = model

    def construct(self, statements, questions, state):
        log_probabilities, state = self.model(statements, questions, state)
        return log_probabilities[:, -1].argmax(-1), state


class Answerer:
    """Answers programs' questions with one compiled graph: a fixed batch and a fixed segment, whatever their length."""

    def __init__(self, model: nn.Cell, segment: int, batch_size: int):
        self.cell, self.segment, self.batch_size = _Answer(model), segment, batch_size
        self.zero_state = model.initial_state(batch_size)

    def __call__(self, programs: state_tracking.Programs) -> np.ndarray:
        """(P,) the predicted final values of the queried variables."""
        statements_PTW = in_segments(state_tracking.encode(programs), self.segment)
        questions_P1 = state_tracking.question_tokens(programs.queried[:, None])
        num_programs = len(programs)
        missing = -num_programs % self.batch_size
        statements_PTW = np.pad(statements_PTW, ((0, missing), (0, 0), (0, 0)))
        questions_P1 = np.pad(questions_P1, ((0, missing), (0, 0)), mode="edge")
        batches = [slice(start, start + self.batch_size) for start in range(0, num_programs, self.batch_size)]
        return np.concatenate([self._batch(statements_PTW[batch], questions_P1[batch]) for batch in batches])[:num_programs]

    @property
    def num_graphs(self) -> int:
        """Graphs compiled so far; stays 1."""
        return len(self.cell.compile_cache)

    def _batch(self, statements_BTW: np.ndarray, questions_B1: np.ndarray) -> np.ndarray:
        questions, state = Tensor(questions_B1), self.zero_state
        for start in range(0, statements_BTW.shape[1], self.segment):
            answer_B1, state = self.cell(Tensor(statements_BTW[:, start : start + self.segment]), questions, state)
        return answer_B1.asnumpy()[:, 0]
