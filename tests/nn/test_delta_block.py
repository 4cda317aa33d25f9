"""The State-Flow block against its formulas in NumPy, their derivatives, in pieces, and where texts share a row."""

from __future__ import annotations

from itertools import pairwise

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from sfm_ms.nn.delta_block import FORGET_ALL, SMALLEST, WIDTH, DeltaBlock
from sfm_ms.nn.delta_layer import SMALLEST_SQUARE
from sfm_ms.nn.norm import EPSILON
from sfm_ms.ops.gated_delta_rule.reference import gated_delta_rule

DIM, INNER, HEADS, ROWS, TOKENS = 12, 16, 2, 2, 37
PAST, STATE = (ROWS, WIDTH - 1, 3 * INNER), (ROWS, HEADS, INNER // HEADS, INNER // HEADS)


@pytest.fixture(scope="module")
def block():
    """With gains other than 0, and decays of both signs."""
    rng = np.random.default_rng(0)
    block = DeltaBlock(DIM, INNER, HEADS, rng, chunk_size=16)
    block.gain_D.set_data(Tensor(rng.normal(size=DIM).astype(np.float32)))
    block.decay_bias_H.set_data(Tensor(np.array([-0.5, 1.5], np.float32)))
    block.beta_bias_H.set_data(Tensor(np.array([-1.0, 0.5], np.float32)))
    return Bare(block)


class Bare(nn.Cell):
    """Takes and gives its state as it is: a graph that is called with a tuple is made anew each time."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def construct(self, x, is_first, past, state):
        y, (last, after) = self.block(x, is_first, (past, state))
        return y, last, after


def arrays(rng, firsts=()):
    """x, is_first, past, state."""
    is_first = np.zeros((ROWS, TOKENS), np.float32)
    is_first[0, list(firsts)] = 1
    x, past, state = (rng.normal(size=size).astype(np.float32) for size in ((ROWS, TOKENS, DIM), PAST, STATE))
    return [x, is_first, past, state]


def run(block, *arrays):
    """-> y, the past and the state after."""
    return tuple(out.asnumpy() for out in block(*map(Tensor, arrays)))


def weights_of(bare):
    return {name: parameter.asnumpy().astype(np.float64) for name, parameter in bare.block.parameters_and_names()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def convolved(weight, rows, is_first, past):
    """Token by token, from what is left of the text, and what is left after the last; in float64."""
    found = np.zeros_like(rows)
    for t in range(rows.shape[1]):
        past = np.where(is_first[:, t, None, None] == 1, 0, past)
        past = np.concatenate([past, rows[:, t : t + 1]], 1)
        found[:, t] = (past * weight).sum(1)
        past = past[:, 1:]
    return found * sigmoid(found), past


def formulas(weights, x, is_first, past, state):
    """-> y, the past and the state after, and z, whose sign the decay has; in float64."""
    x, is_first, past, state = (array.astype(np.float64) for array in (x, is_first, past, state))

    def normed(x):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON)

    u = normed(x) @ weights["down_DC"]
    rows, gate = np.split(u @ weights["to_rows_C4C"], [3 * INNER], -1)
    rows, past = convolved(weights["convolution.weight_WD"], rows, is_first, past)
    q, k, v = (part.reshape(*x.shape[:2], HEADS, INNER // HEADS) for part in np.split(rows, 3, -1))
    q, k = (part / np.sqrt((part**2).sum(-1, keepdims=True) + SMALLEST_SQUARE) for part in (q, k))
    z = u @ weights["to_decay_CH"] + weights["decay_bias_H"]
    log_decay = np.log(np.tanh((np.abs(z) + SMALLEST) / 2)) + FORGET_ALL * is_first[..., None]
    beta = 2 * sigmoid(u @ weights["to_beta_CH"] + weights["beta_bias_H"])
    out, after = gated_delta_rule(q, k, v, beta, log_decay, np.where(z < 0, -1, 1), state)
    inside = normed(out).reshape(u.shape) * gate * sigmoid(gate)
    return x + weights["gain_D"] * (inside @ weights["up_CD"]), past, after, z


def test_against_the_formulas(block):
    given = arrays(np.random.default_rng(1), firsts=(0, 5, 16, 30))
    y, last, after = run(block, *given)
    true_y, true_last, true_after, z = formulas(weights_of(block), *given)
    assert (z < -0.1).mean() > 0.2 and (z > 0.1).mean() > 0.2 and np.abs(true_y - given[0]).max() > 0.5
    assert np.allclose(y, true_y, atol=1e-4) and np.allclose(after, true_after, atol=2e-5)
    assert np.allclose(last, true_last, atol=1e-5)


def test_pieces_and_single_tokens_give_what_the_whole_gives(block):
    x, is_first, *state = arrays(np.random.default_rng(2), firsts=(9, 20, 36))
    y, *after = run(block, x, is_first, *state)
    found = []
    for first, last in pairwise([0, 17, *range(18, 22), 22 + 15]):
        piece, *state = run(block, x[:, first:last], is_first[:, first:last], *state)
        found.append(piece)
    assert np.allclose(np.concatenate(found, 1), y, atol=1e-5)
    assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(state, after, strict=True))


@pytest.mark.parametrize("first", [3, 16, 21])
def test_where_a_text_begins_nothing_before_it_is_left(block, first):
    given = arrays(np.random.default_rng(3), firsts=(first,))
    y, *after = run(block, *given)
    x, is_first, past, state = (array.copy() for array in given)
    x[0, :first], past[0], state[0] = 5 * x[0, :first] + 1, -past[0], -state[0]
    other_y, *other_after = run(block, x, is_first, past, state)
    assert np.array_equal(y[0, first:], other_y[0, first:])
    assert all(np.array_equal(one, other) for one, other in zip(after, other_after, strict=True))
    assert np.abs(y[0, :first] - other_y[0, :first]).max() > 0.1
    is_first[:] = 0
    assert np.abs(run(block, x, is_first, past, state)[0][0, first:] - y[0, first:]).max() > 1e-2


def test_a_fresh_block_changes_nothing():
    fresh = DeltaBlock(DIM, INNER, HEADS, np.random.default_rng(0), chunk_size=16)
    x, is_first, past, state = arrays(np.random.default_rng(4))
    y, last, after = run(Bare(fresh), x, is_first, past, state)
    assert np.array_equal(y, x) and not np.allclose(after, state, atol=0.1) and not np.allclose(last, past, atol=0.1)
    assert (1 - np.tanh(fresh.decay_bias_H.asnumpy() / 2) <= 0.0101).all() and (fresh.decay_bias_H.asnumpy() < 10).all()


class Loss(nn.Cell):
    def __init__(self, block):
        super().__init__()
        self.block = block

    def construct(self, x, is_first, past, state, of_y, of_past, of_state):
        y, last, after = self.block(x, is_first, past, state)
        return (y * of_y).sum() + (last * of_past).sum() + (after * of_state).sum()


class Gradients(nn.Cell):
    """What `ms.grad` makes outside of a Cell does not see what `set_data` does after its first call."""

    def __init__(self, block):
        super().__init__()
        self.loss, self.weights = Loss(block), ms.ParameterTuple(block.get_parameters())

    def construct(self, *arrays):
        return ms.grad(self.loss, (0, 2, 3), self.weights)(*arrays)


def test_gradients_are_those_of_the_formulas_also_in_a_fresh_block(block):
    rng = np.random.default_rng(5)
    given = arrays(rng, firsts=(12,))
    factors = [rng.normal(size=given[place].shape).astype(np.float32) for place in (0, 2, 3)]
    names, gradients_of = list(weights_of(block)), Gradients(block)
    (of_x, of_past, of_state), of_parameters = gradients_of(*map(Tensor, (*given, *factors)))
    gradients = {"x": of_x, "past": of_past, "state": of_state, **dict(zip(names, of_parameters, strict=True))}
    values = {"x": given[0], "past": given[2], "state": given[3], **weights_of(block)}

    def loss(values):
        *found, _ = formulas(values, values["x"], given[1], values["past"], values["state"])
        return sum((each * factor).sum() for each, factor in zip(found, factors, strict=True))

    for name, gradient in gradients.items():
        step = 1e-6 * rng.normal(size=gradient.shape)
        slope = (loss({**values, name: values[name] + step}) - loss({**values, name: values[name] - step})) / 2
        assert np.isclose((gradient.asnumpy() * step).sum(), slope, rtol=1e-3, atol=1e-8), name
        assert np.abs(gradient.asnumpy()).max() > 1e-3, name
    gain = block.block.gain_D.asnumpy().copy()
    block.block.gain_D.set_data(Tensor(np.zeros_like(gain)))
    _, of_parameters = gradients_of(*map(Tensor, (*given, factors[0], 0 * factors[1], 0 * factors[2])))
    block.block.gain_D.set_data(Tensor(gain))
    for name, gradient in zip(names, of_parameters, strict=True):
        assert (np.abs(gradient.asnumpy()).max() > 1e-3) == (name == "gain_D"), name


def test_heads_of_a_fresh_block_look_up_values_by_the_token_two_places_before_from_any_place():
    """As many heads from each; the matrices of keys are those of queries."""
    block = DeltaBlock(DIM, 64, 16, np.random.default_rng(0))
    query, key, value, _ = np.split(block.to_rows_C4C.asnumpy(), 4, 1)
    assert np.array_equal(query, key) and np.abs(query - value).max() > 0.1
    queries, keys, values = block.convolution.weight_WD.asnumpy().argmax(0).reshape(3, 16, 4)
    assert np.bincount(queries[:, 0]).tolist() == [4] * 4 and (keys == 3 - 2).all() and (values == 3).all()
    assert (queries == queries[:, :1]).all() and (keys == keys[:, :1]).all()


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="heads of a delta block: expected a divisor of the width 16, got 5"):
        DeltaBlock(DIM, INNER, 5, np.random.default_rng(0))
