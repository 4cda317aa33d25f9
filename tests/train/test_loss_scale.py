"""Loss scaling and micro-batches: how the scale moves, what overflows, and sums that are those of the whole batch."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from sfm_ms.train import accumulation, checkpoint
from sfm_ms.train.accumulation import Accumulation, Clear, normalised
from sfm_ms.train.loss_scale import LossScale
from sfm_ms.train.parallel import Ranks

ROWS, DIM = 12, 3


class Squares(nn.Cell):
    """(x (N, D), weights (N,)) -> weighted sum of (x . w)^2 / 2, where the products and their gradients are float16."""

    def __init__(self, dtype=ms.float32):
        super().__init__()
        self.dtype = dtype
        self.w = Parameter(Tensor(np.array([[0.5], [-1], [2]]), dtype), name="w")

    def construct(self, x, weights):
        y = ops.matmul(x.astype(self.dtype), self.w).squeeze(1).astype(ms.float32)
        return ((y * y * weights).sum() / 2, y.sum())


def batch():
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(ROWS, DIM)).astype(np.float32), np.ones(ROWS, np.float32)
    weights[[1, 2, 3, 9]] = 0  # of three micro-batches the first has one row that counts, the others have four and three
    return x, weights


def accumulated(loss, x, weights, scale=1.0, number=1):
    accumulate = Accumulation(loss, [loss.w])
    for part in np.split(np.arange(ROWS), number):
        figures = accumulate(Tensor(scale, ms.float32), Tensor(x[part]), Tensor(weights[part]))
    return accumulate.sums[0].asnumpy()[:, 0].copy(), [float(figure.asnumpy()) for figure in figures]


def test_micro_batches_add_up_to_the_mean_of_the_whole_batch():
    x, weights = batch()
    w = Squares().w.asnumpy()[:, 0]
    expected = (x * (x @ w)[:, None] * weights[:, None]).sum(0) / weights.sum()
    for number in (1, 3):
        shares = np.concatenate(normalised(np.split(weights, number), Ranks()))
        found, (loss, total, has_overflowed) = accumulated(Squares(), x, shares, number=number)
        assert np.allclose(found, expected, rtol=1e-5) and not has_overflowed
        last = slice(ROWS - ROWS // number, ROWS)
        assert np.isclose(total, (x[last] @ w).sum(), rtol=1e-5)
        assert np.isclose(loss, ((x[last] @ w) ** 2 * weights[last]).sum() / weights.sum() / 2, rtol=1e-5)
    means = np.concatenate([part / part.sum() / 3 for part in np.split(weights, 3)])
    assert not np.allclose(accumulated(Squares(), x, means, number=3)[0], expected, rtol=0.1)


def test_a_batch_without_weights_stays_without():
    assert [array.tolist() for array in normalised([np.zeros(2), np.zeros(1)], Ranks())] == [[0, 0], [0]]


def test_a_scale_saves_gradients_that_float16_loses_and_one_too_large_overflows():
    x, weights = batch()
    weights *= 1e-9
    exact, _ = accumulated(Squares(), x, weights)
    lost, _ = accumulated(Squares(ms.float16), x, weights)
    kept, figures = accumulated(Squares(ms.float16), x, weights, scale=2.0**15)
    assert np.abs(lost - exact).max() > 0.5 * np.abs(exact).max()
    assert np.allclose(kept, exact, rtol=5e-3, atol=5e-3 * np.abs(exact).max()) and figures[-1] == 0
    assert accumulated(Squares(ms.float16), x, weights, scale=2.0**60)[1][-1] == 1


def test_sums_are_cleared_even_of_what_is_not_finite():
    parameter = Parameter(Tensor(np.array([np.nan, np.inf, 1], np.float32)), name="sum")
    Clear([parameter])(Tensor(0.0, ms.float32))
    assert not parameter.asnumpy().any()


def test_the_scale_doubles_after_patience_and_halves_at_an_overflow():
    scale = LossScale(8.0, patience=3)
    values = []
    for has_overflowed in (False, False, True, False, False, False, False, False, False, True):
        scale.adjust(has_overflowed)
        values.append(scale.value)
    assert values == [8, 8, 4, 4, 4, 8, 8, 8, 16, 8]
    resumed = LossScale()
    scale.adjust(False)
    checkpoint.restore(resumed.state(), checkpoint.arrays(scale.state()))
    resumed.patience = 3
    for _ in range(2):
        resumed.adjust(False)
    assert resumed.value == 16


def test_gradients_that_overflow_at_every_scale_end_the_training():
    scale = LossScale(1.0)
    with pytest.raises(FloatingPointError, match="the gradients overflow though the loss is scaled by 1 only"):
        scale.adjust(True)


REGISTER = Parameter(Tensor(np.zeros(8, np.int32)), name="register")


class ClearRegister(nn.Cell):
    """What NPUClearFloatStatusV2 does, in a Parameter."""

    def construct(self, nothing):
        return ops.depend(nothing, ops.assign(REGISTER, nothing))


class GetRegister(nn.Cell):
    def construct(self, nothing):
        return ops.depend(REGISTER + nothing, nothing)


class Saturating(Squares):
    """Its products stop at 65504 and are noted in the register, as on the first Ascend 910."""

    def construct(self, x, weights):
        y = ops.matmul(x, self.w).squeeze(1)
        overflows = (ops.abs(ops.stop_gradient(y)) > 65504).astype(ms.int32).max()
        weights = ops.depend(weights, ops.assign(REGISTER, ops.maximum(REGISTER, overflows.expand_dims(0))))
        y = ops.clamp(y, -65504.0, 65504.0)
        return ((y * y * weights).sum() / 2, y.sum())


def test_an_overflow_that_saturates_is_read_from_the_register(monkeypatch):
    """The order of clearing, computing and reading, with a register of the test's own: no device is needed."""
    monkeypatch.setattr(accumulation, "overflow_saturates", lambda: True)
    monkeypatch.setattr(accumulation, "NPUClearFloatStatusV2", ClearRegister)
    monkeypatch.setattr(accumulation, "NPUGetFloatStatusV2", GetRegister)
    x, weights = batch()
    loss = Saturating()
    accumulate = Accumulation(loss, [loss.w])
    for factor, expected in ((1, 0), (1e6, 1), (1, 0)):
        arrays = (
            Tensor(factor * x),
            Tensor(weights),
        )
        *_, has_overflowed = accumulate(Tensor(1.0, ms.float32), *arrays)
        assert float(has_overflowed.asnumpy()) == expected and np.isfinite(accumulate.sums[0].asnumpy()).all()
