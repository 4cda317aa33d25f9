"""What the trainer asks of a task: steps, validation, what to say of both, and what a checkpoint must hold of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class Training:
    """Each kind of task has its own.

    figures: names of what a step gives; validated: of what validation gives; rows: what a batch's rows are called. update: what
    has the optimizer's state, by arrays() and restore(arrays).
    """

    figures: tuple[str, ...]
    validated: tuple[str, ...]
    rows: str

    def take_step(self, step: int, rate: float) -> dict[str, float]:
        """Changes the model; the figures of the batch."""
        raise NotImplementedError

    def validate(self) -> tuple[float, dict[str, float]]:
        """The score that the best checkpoint is chosen by, the higher the better, and the figures `validated`."""
        raise NotImplementedError

    def line(self, row: dict) -> str:
        """The figures for people; those of validation are "" where there was none."""
        raise NotImplementedError

    def state(self) -> dict:
        """What training goes on from besides model and optimizer; JSON."""
        return {}

    def restore(self, state: Mapping, optimizer: Mapping[str, np.ndarray]) -> None:
        self.update.restore(optimizer)
