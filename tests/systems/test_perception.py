"""The perception system: in pieces and token by token, causal, with padding, rows apart, every parameter with a gradient."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from sfm_ms.systems.perception import PerceptionSystem

DIM = 32


@pytest.fixture(scope="module")
def system():
    return PerceptionSystem(DIM, 2, 2, np.random.default_rng(0), chunk_size=16)


def run(system, x, lengths=None, state=None):
    lengths = np.full(len(x), x.shape[1]) if lengths is None else lengths
    is_token = (np.arange(x.shape[1]) < lengths[:, None]).astype(np.float32)
    y, state = system(Tensor(x), Tensor(is_token), ms.mutable(system.begin(len(x)) if state is None else state))
    return y.asnumpy(), state


def drawn(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def test_pieces_and_single_tokens_give_what_the_whole_gives(system):
    x = drawn(2, 21, DIM)
    whole, after = run(system, x)
    results, state = [], None
    for piece in np.split(x, [16, 17, 18, 19, 20], 1):
        y, state = run(system, piece, state=state)
        results.append(y)
    assert np.allclose(np.concatenate(results, 1), whole, atol=5e-5)
    assert all(np.allclose(a.asnumpy(), b.asnumpy(), atol=5e-5) for a, b in zip(state, after, strict=True))


def test_what_comes_later_and_other_rows_change_nothing(system):
    x = drawn(2, 21, DIM)
    before, _ = run(system, x)
    x[0, 13:] += 1
    after, _ = run(system, x)
    assert np.array_equal(before[1], after[1]) and np.allclose(before[0, :13], after[0, :13], atol=1e-6)
    assert (np.abs(before[0, 13:] - after[0, 13:]).max(-1) > 1e-3).all()


def test_padding_changes_nothing(system):
    x, lengths = drawn(2, 21, DIM), np.array([21, 9])
    y, after = run(system, x, lengths)
    alone, its_after = run(system, x[1:, :9])
    assert np.allclose(y[1, :9], alone[0], atol=1e-5)
    assert all(np.allclose(a.asnumpy()[1], b.asnumpy()[0], atol=1e-5) for a, b in zip(after, its_after, strict=True))


class Loss(nn.Cell):
    """Of what comes out for a second piece, so that states carry gradients, too."""

    def __init__(self, system):
        super().__init__()
        self.system = system

    def construct(self, first, second, is_token, state):
        _, state = self.system(first, is_token, state)
        y, _ = self.system(second, is_token, state)
        return (y * y * y).sum()


def test_every_parameter_has_a_gradient_and_so_has_what_is_only_remembered(system):
    first, second = (Tensor(x) for x in np.split(drawn(2, 34, DIM), 2, 1))
    parameters = system.trainable_params()
    gradient = ms.grad(Loss(system), 0, parameters)
    of_first, of_parameters = gradient(first, second, Tensor(np.ones((2, 17), np.float32)), system.begin(2))
    assert (of_first.asnumpy() != 0).any(2).all()
    assert len(of_parameters) == len(parameters) == 2 * 14
    assert all(np.isfinite(g.asnumpy()).all() and (g.asnumpy() != 0).any() for g in of_parameters)


def test_a_system_without_layers_is_refused():
    with pytest.raises(ValueError, match="layers of the perception system: expected at least 1, got 0"):
        PerceptionSystem(32, 0, 2, np.random.default_rng(0))
