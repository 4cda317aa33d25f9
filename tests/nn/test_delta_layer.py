"""The delta-rule layer over tokens: in pieces, causal, with padding, rows apart, every parameter with a gradient."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from sfm_ms.nn.delta_layer import DeltaLayer

DIM, HEADS, WIDTH = 32, 2, 4


@pytest.fixture(scope="module")
def layer():
    return DeltaLayer(DIM, HEADS, np.random.default_rng(0), chunk_size=16)


def nothing(num_rows):
    past, state = (num_rows, WIDTH - 1, 3 * DIM), (num_rows, HEADS, DIM // HEADS, DIM // HEADS)
    return Tensor(np.zeros(past, np.float32)), Tensor(np.zeros(state, np.float32))


def run(layer, x, lengths=None, before=None):
    lengths = np.full(len(x), x.shape[1]) if lengths is None else lengths
    is_token = (np.arange(x.shape[1]) < lengths[:, None]).astype(np.float32)
    y, *after = layer(Tensor(x), Tensor(is_token), *(before or nothing(len(x))))
    return y.asnumpy(), after


def drawn(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def test_pieces_give_what_the_whole_gives(layer):
    x = drawn(2, 21, DIM)
    whole, after = run(layer, x)
    results, state = [], None
    for piece in np.split(x, [16, 17, 18], 1):
        y, state = run(layer, piece, before=state)
        results.append(y)
    assert np.allclose(np.concatenate(results, 1), whole, atol=2e-5)
    assert all(np.allclose(a.asnumpy(), b.asnumpy(), atol=2e-5) for a, b in zip(state, after, strict=True))


def test_what_comes_later_and_other_rows_change_nothing(layer):
    x = drawn(2, 21, DIM)
    before, _ = run(layer, x)
    x[0, 13:] += 1
    after, _ = run(layer, x)
    assert np.array_equal(before[1], after[1]) and np.allclose(before[0, :13], after[0, :13], atol=1e-6)
    assert (np.abs(before[0, 13:] - after[0, 13:]).max(-1) > 1e-3).all()


def test_padding_changes_nothing(layer):
    x, lengths = drawn(2, 21, DIM), np.array([21, 9])
    y, after = run(layer, x, lengths)
    alone, its_after = run(layer, x[1:, :9])
    assert np.allclose(y[1, :9], alone[0], atol=1e-5)
    assert all(np.allclose(a.asnumpy()[1], b.asnumpy()[0], atol=1e-5) for a, b in zip(after, its_after, strict=True))


class Loss(nn.Cell):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def construct(self, x, is_token, past, state):
        y, _, state = self.layer(x, is_token, past, state)
        return (y * y).sum() + (state * state).sum()


def test_every_parameter_has_a_gradient(layer):
    x = Tensor(drawn(2, 21, DIM))
    parameters = layer.trainable_params()
    gradients = ms.grad(Loss(layer), None, parameters)(x, Tensor(np.ones((2, 21), np.float32)), *nothing(2))
    assert len(gradients) == len(parameters) == 9
    assert all(np.isfinite(g.asnumpy()).all() and (g.asnumpy() != 0).any() for g in gradients)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="heads of a delta layer: expected a divisor of the width 32, got 5"):
        DeltaLayer(32, 5, np.random.default_rng(0))
