"""Halting: the distribution over ticks against NumPy, and its gradients by differences."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from sfm_ms.nn.halting import tick_probabilities

NUM_PROGRAMS = 5
LOGITS = np.random.default_rng(0).normal(scale=2, size=(NUM_PROGRAMS, 3)).astype(np.float32)


class Ticks(nn.Cell):
    """(logits (B, J - 1) or None) -> the chances that a tick is the last, and that it runs, both (B, J)."""

    def __init__(self, num_ticks):
        super().__init__()
        self.num_ticks = num_ticks

    def construct(self, logits, one):
        columns = [logits[:, j : j + 1] for j in range(self.num_ticks - 1)] if logits is not None else []
        last, reached = tick_probabilities(columns, one, self.num_ticks)
        return ops.concat(last, 1), ops.concat(reached, 1)


def ticks(logits, num_ticks):
    one = Tensor(np.ones((NUM_PROGRAMS, 1), np.float32))
    return [chances.asnumpy() for chances in Ticks(num_ticks)(None if logits is None else Tensor(logits), one)]


def reference(logits):
    """p_j = lambda_j prod_{i<j} (1 - lambda_i), the last lambda being 1, one program and one tick at a time in float64."""
    num_programs, num_ticks = logits.shape[0], logits.shape[1] + 1
    halts = np.concatenate([1 / (1 + np.exp(-logits.astype(np.float64))), np.ones((num_programs, 1))], 1)
    return np.array([[row[j] * np.prod(1 - row[:j]) for j in range(num_ticks)] for row in halts])


@pytest.mark.parametrize("num_ticks", [2, 4])
def test_the_distribution_is_that_of_pondernet(num_ticks):
    last, reached = ticks(LOGITS[:, : num_ticks - 1], num_ticks)
    expected = reference(LOGITS[:, : num_ticks - 1])
    assert np.allclose(last, expected, atol=1e-6) and np.allclose(last.sum(1), 1, atol=1e-6)
    assert np.allclose(reached, expected[:, ::-1].cumsum(1)[:, ::-1], atol=1e-6)
    assert np.allclose(reached.sum(1), expected @ np.arange(1, num_ticks + 1), atol=1e-5)


def test_certain_logits_stop_at_once_or_never():
    last, reached = ticks(np.full((NUM_PROGRAMS, 2), 80, np.float32), 3)
    assert (last == [1, 0, 0]).all() and (reached == [1, 0, 0]).all()
    last, reached = ticks(np.full((NUM_PROGRAMS, 2), -80, np.float32), 3)
    assert np.allclose(last, [0, 0, 1], atol=1e-30) and (reached == 1).all()


@pytest.mark.parametrize("num_ticks", [1, 3])
def test_without_logits_every_tick_runs(num_ticks):
    last, reached = ticks(None, num_ticks)
    assert (last[:, :-1] == 0).all() and (last[:, -1] == 1).all() and (reached == 1).all()


class ExpectedTicks(nn.Cell):
    """Of all programs together; of the states only their number counts."""

    def __init__(self, states):
        super().__init__()
        self.ticks = Ticks(states.shape[0])

    def construct(self, logits, one):
        return self.ticks(logits, one)[1].sum()


class MixedState(nn.Cell):
    """The squared length of sum_j p_j state_j; states (J, B, V)."""

    def __init__(self, states):
        super().__init__()
        self.ticks, self.states = Ticks(states.shape[0]), Tensor(states, ms.float32)

    def construct(self, logits, one):
        last = self.ticks(logits, one)[0]
        mixed = sum([last[:, j : j + 1] * self.states[j] for j in range(self.states.shape[0])])
        return (mixed * mixed).sum()


@pytest.mark.parametrize("cell", [ExpectedTicks, MixedState])
def test_gradients_of_the_logits_by_central_differences(cell):
    loss = cell(np.random.default_rng(1).normal(size=(4, NUM_PROGRAMS, 6)))
    one, epsilon = Tensor(np.ones((NUM_PROGRAMS, 1), np.float32)), np.float32(1e-2)
    gradient = ms.grad(loss, 0)(Tensor(LOGITS), one).asnumpy()
    expected = np.zeros_like(LOGITS)
    for index in np.ndindex(*LOGITS.shape):
        shift = np.zeros_like(LOGITS)
        shift[index] = epsilon
        above, below = (float(loss(Tensor(LOGITS + sign * shift), one).asnumpy()) for sign in (1, -1))
        expected[index] = (above - below) / (2 * epsilon)
    assert np.abs(expected).max() > 0.1
    assert np.allclose(gradient, expected, rtol=1e-2, atol=1e-3)
