"""Dynamic loss scaling, which keeps gradients in float16 from vanishing (Micikevicius et al. 2018, section 3.2)."""

from __future__ import annotations

import numpy as np
from mindspore import Parameter, Tensor

GROWTH = 2.0  # a power of two: scaling is exact


class LossScale:
    """`value` is what the loss is multiplied by: twice as much after `patience` steps in a row without an overflow, half of it
    after one that overflowed, whose update is skipped."""

    def __init__(self, value: float = 2.0**15, patience: int = 2000):
        self.patience = patience
        self.scale = Parameter(Tensor(np.float32(value)), name="loss_scale")
        self.num_good = Parameter(Tensor(np.int32(0)), name="steps_without_overflow")

    @property
    def value(self) -> float:
        return float(self.scale.asnumpy())

    def adjust(self, has_overflowed: bool) -> None:
        """Raises FloatingPointError where the scale would fall below 1: then it is not the scale that overflows."""
        num_good = 0 if has_overflowed else int(self.num_good.asnumpy()) + 1
        value = self.value / GROWTH if has_overflowed else self.value
        if value < 1:
            raise FloatingPointError(f"the gradients overflow though the loss is scaled by {self.value:g} only")
        if num_good == self.patience:
            num_good, value = 0, value * GROWTH
        self.scale.set_data(Tensor(np.float32(value)))
        self.num_good.set_data(Tensor(np.int32(num_good)))

    def state(self) -> dict[str, Parameter]:
        """By name, for the checkpoint."""
        return {"loss_scale": self.scale, "steps_without_overflow": self.num_good}
