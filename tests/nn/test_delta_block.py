"""The State-Flow block against its formulas in NumPy, their derivatives, in pieces, and where texts share a row."""

from __future__ import annotations

from itertools import pairwise

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from sfm_ms.nn.delta_block import FORGET_ALL, SMALLEST, DeltaBlock
from sfm_ms.nn.delta_layer import SMALLEST_SQUARE
from sfm_ms.nn.norm import EPSILON
from sfm_ms.ops.gated_delta_rule.reference import gated_delta_rule

DIM, INNER, HEADS, ROWS, TOKENS = 12, 16, 2, 2, 37
STATE = (ROWS, HEADS, INNER // HEADS, INNER // HEADS)


@pytest.fixture(scope="module")
def block():
    """With gains other than 0, and decays of both signs."""
    rng = np.random.default_rng(0)
    block = DeltaBlock(DIM, INNER, HEADS, rng, chunk_size=16)
    block.gain_D.set_data(Tensor(rng.normal(size=DIM).astype(np.float32)))
    block.decay_bias_H.set_data(Tensor(np.array([-0.5, 1.5], np.float32)))
    return Bare(block)


class Bare(nn.Cell):
    """Takes and gives its state as it is: a graph that is called with a tuple is made anew each time."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def construct(self, x, is_first, state):
        y, (after,) = self.block(x, is_first, (state,))
        return y, after


def arrays(rng, firsts=()):
    """x, is_first, state."""
    is_first = np.zeros((ROWS, TOKENS), np.float32)
    is_first[0, list(firsts)] = 1
    return [rng.normal(size=(ROWS, TOKENS, DIM)).astype(np.float32), is_first, rng.normal(size=STATE).astype(np.float32)]


def run(block, x, is_first, state):
    return tuple(out.asnumpy() for out in block(*map(Tensor, (x, is_first, state))))


def weights_of(bare):
    return {name: parameter.asnumpy().astype(np.float64) for name, parameter in bare.block.parameters_and_names()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def formulas(weights, x, is_first, state):
    """-> y, the state after, and z, whose sign the decay has; in float64."""
    x, is_first, state = (array.astype(np.float64) for array in (x, is_first, state))

    def normed(x):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON)

    u = normed(x) @ weights["down_DC"]
    rows = np.split(u @ weights["to_rows_C4C"], 4, -1)
    q, k, v, gate = (part.reshape(*x.shape[:2], HEADS, INNER // HEADS) for part in rows)
    q, k = (part / np.sqrt((part**2).sum(-1, keepdims=True) + SMALLEST_SQUARE) for part in (q, k))
    z = u @ weights["to_decay_CH"] + weights["decay_bias_H"]
    log_decay = np.log(np.tanh((np.abs(z) + SMALLEST) / 2)) + FORGET_ALL * is_first[..., None]
    beta = 2 * sigmoid(u @ weights["to_beta_CH"])
    out, after = gated_delta_rule(q, k, v, beta, log_decay, np.where(z < 0, -1, 1), state)
    inside = (normed(out) * gate * sigmoid(gate)).reshape(u.shape)
    return x + weights["gain_D"] * (inside @ weights["up_CD"]), after, z


def test_against_the_formulas(block):
    given = arrays(np.random.default_rng(1), firsts=(0, 5, 16, 30))
    y, after = run(block, *given)
    true_y, true_after, z = formulas(weights_of(block), *given)
    assert (z < -0.1).mean() > 0.2 and (z > 0.1).mean() > 0.2 and np.abs(true_y - given[0]).max() > 0.5
    assert np.allclose(y, true_y, atol=1e-4) and np.allclose(after, true_after, atol=2e-5)


def test_pieces_and_single_tokens_give_what_the_whole_gives(block):
    x, is_first, state = arrays(np.random.default_rng(2), firsts=(9, 20))
    y, after = run(block, x, is_first, state)
    found = []
    for first, last in pairwise([0, 17, *range(18, 22), 22 + 15]):
        piece, state = run(block, x[:, first:last], is_first[:, first:last], state)
        found.append(piece)
    assert np.allclose(np.concatenate(found, 1), y, atol=1e-5) and np.allclose(state, after, atol=1e-5)


@pytest.mark.parametrize("first", [3, 16, 21])
def test_where_a_text_begins_nothing_before_it_is_left(block, first):
    given = arrays(np.random.default_rng(3), firsts=(first,))
    y, after = run(block, *given)
    x, is_first, state = (array.copy() for array in given)
    x[0, :first], state[0] = 5 * x[0, :first] + 1, -state[0]
    other_y, other_after = run(block, x, is_first, state)
    assert np.array_equal(y[0, first:], other_y[0, first:]) and np.array_equal(after, other_after)
    assert np.abs(y[0, :first] - other_y[0, :first]).max() > 0.1
    is_first[:] = 0
    assert np.abs(run(block, x, is_first, state)[0][0, first:] - y[0, first:]).max() > 1e-2


def test_a_fresh_block_changes_nothing():
    fresh = DeltaBlock(DIM, INNER, HEADS, np.random.default_rng(0), chunk_size=16)
    x, is_first, state = arrays(np.random.default_rng(4))
    y, after = run(Bare(fresh), x, is_first, state)
    assert np.array_equal(y, x) and not np.allclose(after, state, atol=0.1)
    assert (1 - np.tanh(fresh.decay_bias_H.asnumpy() / 2) <= 0.101).all() and (fresh.decay_bias_H.asnumpy() < 7.7).all()


class Loss(nn.Cell):
    def __init__(self, block):
        super().__init__()
        self.block = block

    def construct(self, x, is_first, state, of_y, of_state):
        y, after = self.block(x, is_first, state)
        return (y * of_y).sum() + (after * of_state).sum()


class Gradients(nn.Cell):
    """What `ms.grad` makes outside of a Cell does not see what `set_data` does after its first call."""

    def __init__(self, block):
        super().__init__()
        self.loss, self.weights = Loss(block), ms.ParameterTuple(block.get_parameters())

    def construct(self, *arrays):
        return ms.grad(self.loss, (0, 2), self.weights)(*arrays)


def test_gradients_are_those_of_the_formulas_also_in_a_fresh_block(block):
    rng = np.random.default_rng(5)
    given = arrays(rng, firsts=(12,))
    factors = [rng.normal(size=array.shape).astype(np.float32) for array in (given[0], given[2])]
    names, gradients_of = list(weights_of(block)), Gradients(block)
    (of_x, of_state), of_parameters = gradients_of(*map(Tensor, (*given, *factors)))
    gradients = {"x": of_x, "state": of_state, **dict(zip(names, of_parameters, strict=True))}
    values = {"x": given[0], "state": given[2], **weights_of(block)}

    def loss(values):
        y, after, _ = formulas(values, values["x"], given[1], values["state"])
        return (y * factors[0]).sum() + (after * factors[1]).sum()

    for name, gradient in gradients.items():
        step = 1e-6 * rng.normal(size=gradient.shape)
        slope = (loss({**values, name: values[name] + step}) - loss({**values, name: values[name] - step})) / 2
        assert np.isclose((gradient.asnumpy() * step).sum(), slope, rtol=1e-3, atol=1e-8), name
        assert np.abs(gradient.asnumpy()).max() > 1e-3, name
    gain = block.block.gain_D.asnumpy().copy()
    block.block.gain_D.set_data(Tensor(np.zeros_like(gain)))
    _, of_parameters = gradients_of(*map(Tensor, (*given, factors[0], 0 * factors[1])))
    block.block.gain_D.set_data(Tensor(gain))
    for name, gradient in zip(names, of_parameters, strict=True):
        assert (np.abs(gradient.asnumpy()).max() > 1e-3) == (name == "gain_D"), name


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="heads of a delta block: expected a divisor of the width 16, got 5"):
        DeltaBlock(DIM, INNER, 5, np.random.default_rng(0))
