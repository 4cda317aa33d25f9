"""Averages of a training interval, and the exact match of a model on programs of any length.

Shapes: P programs, B of them at a time, T statements (a multiple of the segment), W tokens a statement, C numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from mindspore import Tensor, nn

from sfm_ms.data.batches import in_segments
from sfm_ms.tasks.state_tracking import Programs, encode, question_tokens


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


class Answers(NamedTuple):
    """The predicted final values of the queried variables (P,), and the expected ticks of every statement (P, T)."""

    values: np.ndarray
    ticks: np.ndarray


class _Answer(nn.Cell):
    """-> the most likely value of the question after every statement (B, T), the expected ticks (B, T), the state."""

    def __init__(self, model: nn.Cell):
        super().__init__()
        self.model = model

    def construct(self, statements, questions, state):
        log_probabilities, ticks, state = self.model(statements, questions, state)
        return log_probabilities[:, :, 0].argmax(-1), ticks, state


class Answerer:
    """Answers programs' questions with one compiled graph: a fixed batch and a fixed segment, whatever their length.

    A model that carries no state must see a program whole. It gets a graph for each length, and fewer programs at a time.
    """

    def __init__(self, model: nn.Cell, segment: int, batch_size: int):
        self.cell, self.segment, self.batch_size = _Answer(model), segment, batch_size

    def __call__(self, programs: Programs) -> Answers:
        statements_PTW = in_segments(encode(programs), self.segment)
        questions_P1 = question_tokens(programs.language, programs.queried[:, None])
        num_programs, num_statements = statements_PTW.shape[:2]
        segment, batch_size = self.segment, self.batch_size
        if not self.cell.model.carries_state:
            segment, batch_size = num_statements, max(1, round(batch_size * (segment / num_statements) ** 2))
        missing = -num_programs % batch_size
        statements_PTW = np.pad(statements_PTW, ((0, missing), (0, 0), (0, 0)))
        questions_P1 = np.pad(questions_P1, ((0, missing), (0, 0)), mode="edge")
        batches = [slice(start, start + batch_size) for start in range(0, num_programs, batch_size)]
        answers = [self._batch(statements_PTW[batch], questions_P1[batch], segment) for batch in batches]
        values_PT, ticks_PT = (np.concatenate(of_batches)[:num_programs] for of_batches in zip(*answers, strict=True))
        return Answers(values_PT[np.arange(num_programs), programs.lengths - 1], ticks_PT[:, : programs.kind.shape[1]])

    @property
    def num_graphs(self) -> int:
        """Graphs compiled so far; stays 1 for a model that carries its state."""
        return len(self.cell.compile_cache)

    def _batch(self, statements_BTW: np.ndarray, questions_B1: np.ndarray, segment: int) -> tuple[np.ndarray, np.ndarray]:
        questions, state = Tensor(questions_B1), self.cell.model.initial_state(len(questions_B1))
        values, ticks = [], []
        for start in range(0, statements_BTW.shape[1], segment):
            values_BT, ticks_BT, state = self.cell(Tensor(statements_BTW[:, start : start + segment]), questions, state)
            values.append(values_BT.asnumpy())
            ticks.append(ticks_BT.asnumpy())
        return np.concatenate(values, 1), np.concatenate(ticks, 1)
