"""Gradients of a batch from micro-batches, which take less memory: the sums of theirs, in float32.

A step clears the sums, adds each micro-batch, and asks with Ranks.total whether a gradient overflowed on any rank: then the loss
scale falls and the step is over. Else the sums are summed over the ranks, and the update follows.
"""

from __future__ import annotations

from collections.abc import Sequence

import mindspore
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore import dtype as mstype
from mindspore.ops.operations.math_ops import NPUClearFloatStatusV2, NPUGetFloatStatusV2

from sfm_ms.train.parallel import Ranks
from sfm_ms.train.runtime import overflow_saturates


class Accumulation(nn.Cell):
    """(loss scale, *inputs of the loss) -> (loss, *its other figures, 1 where a gradient overflowed and else 0).

    Adds the gradients of the loss, which returns a tuple, to `sums`. They are computed of scale times the loss. They are added
    one by one, so `order`, places among the parameters, had better be that in which the backward pass gives them: what
    waits for its turn is in memory.
    """

    def __init__(self, loss: nn.Cell, parameters: Sequence[Parameter], order: Sequence[int] | None = None):
        super().__init__(auto_prefix=False)
        names = [f"gradient.{parameter.name}" for parameter in parameters]
        scaled, parameters = ScaledLoss(loss), ParameterTuple(parameters)
        self.gradient = mindspore.value_and_grad(scaled, None, parameters, has_aux=True)
        zeros = [Tensor(np.zeros(parameter.shape, np.float32)) for parameter in parameters]
        self.sums = ParameterTuple([Parameter(zero, name=name) for zero, name in zip(zeros, names, strict=True)])
        self.order = tuple(range(len(parameters)) if order is None else order)
        self.register = OverflowRegister() if overflow_saturates() else None

    def construct(self, scale, *inputs):
        if self.register is not None:
            scale, inputs = self.register.cleared((scale, inputs))
        figures, gradients = self.gradient(scale, *inputs)
        squares = Tensor(0.0, mstype.float32)
        for i in self.order:
            gradient = gradients[i].astype(mstype.float32)
            squares = squares + (gradient * gradient).sum()
            ops.assign_add(self.sums[i], gradient * (1 / scale))
        has_overflowed = 1 - ops.isfinite(squares).astype(mstype.float32)
        if self.register is not None:
            has_overflowed = ops.maximum(has_overflowed, self.register.read(gradients))
        return (*figures[1:], has_overflowed)


class ScaledLoss(nn.Cell):
    """(scale, *inputs) -> (scale * loss, loss, *other figures)."""

    def __init__(self, loss: nn.Cell):
        super().__init__(auto_prefix=False)
        self.loss = loss

    def construct(self, scale, *inputs):
        figures = self.loss(*inputs)
        return (scale * figures[0], *figures)


class OverflowRegister(nn.Cell):
    """Where Ascend notes an overflow when it saturates, for then no gradient shows one. Not run on a device."""

    def __init__(self):
        super().__init__()
        self.clear, self.get = NPUClearFloatStatusV2(), NPUGetFloatStatusV2()
        self.nothing = Tensor(np.zeros(8, np.int32))

    def cleared(self, before):
        """The values, which nothing is computed from until the register has been cleared."""
        return ops.depend(before, self.clear(self.nothing))

    def read(self, after):
        """1 where something has overflowed since, up to when those values were computed, else 0; float32."""
        status = self.get(ops.depend(self.nothing, after))
        return ops.not_equal(status, self.nothing).astype(mstype.float32).max()


class Clear(nn.Cell):
    """(0) -> (); sets parameters to 0, also where they were not finite.

    An argument, because zeros that the compiler makes stay in memory as constants, as large as the parameters.
    """

    def __init__(self, parameters: Sequence[Parameter]):
        super().__init__(auto_prefix=False)
        self.parameters = ParameterTuple(parameters)

    def construct(self, zero):
        for parameter in self.parameters:
            ops.assign(parameter, ops.broadcast_to(zero, parameter.shape))
        return Tensor(True)


def normalised(weights: Sequence[np.ndarray], ranks: Ranks) -> list[np.ndarray]:
    """The weights of each micro-batch over the sum of those of all micro-batches of all ranks, float32.

    A loss that is a sum with these weights adds up over micro-batches and ranks to the mean of the whole batch, however many of
    the tokens that count each of them has; a mean of their means would not. Without any weight in the batch all stay 0.
    """
    total = float(ranks.total([sum(float(array.sum()) for array in weights)])[0])
    return [(array / (total or 1)).astype(np.float32) for array in weights]
