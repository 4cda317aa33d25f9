"""The meta system against its equations; in pieces, causal, with padding, rows apart, all of it with a gradient."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from sfm_ms.systems.meta import MetaSystem

DIM, NUM_HEADS, NUM_HYPOTHESES, DEPTH = 8, 2, 3, 2
PARTS = ("h", "memory", "hypotheses", "cells", "pointer")


def make(**options):
    return MetaSystem(DIM, NUM_HEADS, NUM_HYPOTHESES, DEPTH, np.random.default_rng(0), **options)


@pytest.fixture(scope="module")
def system():
    return make()


def drawn(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def drawn_state(system, num_rows):
    """As one in the midst of a text: nothing is zero."""
    rng = np.random.default_rng(2)
    parts = [rng.normal(size=part.shape) for part in system.begin(num_rows)[:-1]]
    return [part.astype(np.float32) for part in (*parts, rng.dirichlet(np.ones(DEPTH + 1), num_rows))]


def run(system, x, lengths=None, state=None):
    """y and the parts of the state; `mutable`, or MindSpore compiles anew for every state."""
    lengths = np.full(len(x), x.shape[1]) if lengths is None else lengths
    is_statement = (np.arange(x.shape[1]) < lengths[:, None]).astype(np.float32)
    state = system.begin(len(x)) if state is None else tuple(map(Tensor, state))
    y, state = system(Tensor(x), Tensor(is_statement), ms.mutable(state))
    return y.asnumpy(), [part.asnumpy() for part in state]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


class Reference:
    """One text in float64, store by store and cell by cell."""

    def __init__(self, system):
        self.of = {p.name: p.asnumpy().astype(np.float64) for p in system.trainable_params()}
        self.decay_bias, self.temperature = np.log(1 / np.array([0.1, 0.001]) - 1), system.register.temperature

    def __call__(self, statements, state):
        y = []
        for x in statements:
            sum_ = self.linear(self.norm(x, "before"), "from_statement") + state[0] @ self.of["from_last_DD"]
            u = sum_ * sigmoid(sum_)
            sizes = [DIM, DIM, DIM, DIM, DIM // 2, NUM_HEADS, NUM_HEADS, 1]
            q, k, v, item, candidate, beta, keep, gate, actions = np.split(self.linear(u, "commands"), np.cumsum(sizes))
            memory, read = self.remember(state[1], q, k, v, 2 * sigmoid(beta), sigmoid(keep + self.decay_bias))
            hypotheses, primary = self.suppose(state[2], candidate, sigmoid(gate))
            cells, pointer, top = self.plan(state[3], state[4], softmax(actions), item)
            seen = np.concatenate((read, primary, top))
            h = self.norm(u + seen @ self.of["from_read_RD"], "after_step")
            y.append(self.norm(self.linear(np.concatenate((h, seen)), "output"), "after"))
            state = h, memory, hypotheses, cells, pointer
        return np.stack(y), state

    def linear(self, x, name):
        return x @ self.of[f"{name}.weight_XY"] + self.of[f"{name}.bias_Y"]

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean() + 1e-5) * self.of[f"{name}.gain_D"]

    def remember(self, memory, *commands):
        after, reads = [], []
        for S, q, k, v, beta, keep in zip(memory, *(np.split(each, NUM_HEADS) for each in commands), strict=True):
            q, k = (x / np.sqrt((x * x).sum() + 1e-6) for x in (q, k))
            after.append(keep * (S - beta * np.outer(k, k @ S)) + beta * np.outer(k, v))
            reads.append(self.norm(q @ after[-1], "after_memory"))
        return np.stack(after), np.concatenate(reads)

    def suppose(self, hypotheses, candidate, gate):
        replaced = softmax(-self.confidence(hypotheses, candidate) / self.temperature)[:, None]
        hypotheses = (1 - gate * replaced) * hypotheses + gate * replaced * candidate
        return hypotheses, softmax(self.confidence(hypotheses, candidate) / self.temperature) @ hypotheses

    def confidence(self, hypotheses, candidate):
        W, U, place, w = (
            self.of[f"register.{name}"] for name in ("from_hypothesis_EE", "from_candidate_EE", "place_ME", "to_confidence_E1")
        )
        hidden = hypotheses @ W + candidate @ U + place
        return (hidden * sigmoid(hidden) @ w)[:, 0]

    def plan(self, cells, pointer, actions, item):
        """Runs every action from every height and mixes what comes out."""
        cells, after = cells.copy(), np.zeros_like(pointer)
        for height, chance in enumerate(pointer):
            for action, target in enumerate((min(height + 1, DEPTH), max(height - 1, 0), height)):
                after[target] += actions[action] * chance
            if height < DEPTH:
                cells[height] += actions[0] * chance * (item - cells[height])
        return cells, after, after[1:] @ cells


def test_it_is_the_equations(system):
    x, state = drawn(2, 4, DIM), drawn_state(system, 2)
    y, after = run(system, x, state=state)
    reference = Reference(system)
    for row in range(2):
        expected_y, expected_after = reference(x[row].astype(np.float64), [part[row].astype(np.float64) for part in state])
        assert np.allclose(y[row], expected_y, atol=2e-4)
        for name, part, expected in zip(PARTS, after, expected_after, strict=True):
            assert np.allclose(part[row], expected, atol=2e-4), name


def test_pieces_and_single_statements_give_what_the_whole_gives(system):
    x = drawn(2, 4, DIM)
    whole, after = run(system, x)
    for cuts in ([1, 2, 3], [3]):
        results, state = [], None
        for piece in np.split(x, cuts, 1):
            y, state = run(system, piece, state=state)
            results.append(y)
        assert np.allclose(np.concatenate(results, 1), whole, atol=1e-5)
        assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(state, after, strict=True))


def test_what_comes_later_and_other_rows_change_nothing(system):
    x = drawn(2, 4, DIM)
    before, _ = run(system, x)
    x[0, 2:] += 1
    after, _ = run(system, x)
    assert np.array_equal(before[1], after[1]) and np.array_equal(before[0, :2], after[0, :2])
    assert (np.abs(before[0, 2:] - after[0, 2:]).max(-1) > 1e-3).all()


def test_padding_changes_nothing_whatever_is_in_it(system):
    x, state = drawn(2, 4, DIM), drawn_state(system, 2)
    y, after = run(system, x, np.array([0, 2]), state)
    assert all(np.array_equal(part[0], before[0]) for part, before in zip(after, state, strict=True))
    alone, its_after = run(system, x[:, :2], state=state)
    assert np.allclose(y[1, :2], alone[1], atol=1e-6)
    assert all(np.allclose(a[1], b[1], atol=1e-6) for a, b in zip(after, its_after, strict=True))
    x[1, 2:] = 1e3
    again, still = run(system, x, np.array([0, 2]), state)
    assert np.array_equal(again[1, :2], y[1, :2])
    assert all(np.array_equal(a, b) for a, b in zip(still, after, strict=True))


class Loss(nn.Cell):
    """Of what comes out, and of the state for what follows; the last statement of the first row is padding."""

    def __init__(self, system):
        super().__init__()
        self.system = system

    def construct(self, statements, is_statement, *state):
        y, _ = self.system(statements, is_statement, state)
        return (y * y * y * is_statement.expand_dims(2)).sum()


@pytest.mark.parametrize("options", [{}, {"hard_actions": True}])
def test_everything_learns_and_does_so_at_a_second_call(options):
    system = make(**options)
    state, is_statement = drawn_state(system, 2), np.array([[1, 1, 0], [1, 1, 1]], np.float32)
    parameters = system.trainable_params()
    gradient = ms.grad(Loss(system), (0, *range(2, 2 + len(PARTS))), parameters)
    arrays = [*map(Tensor, (drawn(2, 3, DIM), is_statement, *state))]
    (of_inputs, of_parameters), (again_inputs, again_parameters) = (gradient(*arrays) for _ in range(2))
    names = ["statements", *PARTS, *(parameter.name for parameter in parameters)]
    first, again = [*of_inputs, *of_parameters], [*again_inputs, *again_parameters]
    for name, one, two in zip(names, first, again, strict=True):
        assert np.isfinite(one.asnumpy()).all() and np.abs(one.asnumpy()).max() > 1e-4, name
        assert np.array_equal(one.asnumpy(), two.asnumpy()), name
    of_statements = np.abs(of_inputs[0].asnumpy()).max(-1)
    assert ((of_statements > 0) == (is_statement > 0)).all()


def test_hard_actions_keep_the_pointer_at_one_height():
    _, after = run(make(hard_actions=True), drawn(3, 3, DIM))
    assert np.array_equal(np.sort(after[-1], 1), np.eye(DEPTH + 1)[[DEPTH] * 3])


def test_the_state_of_a_text_that_begins_is_empty(system):
    state = system.begin(3)
    assert [part.shape for part in state] == [(3, 8), (3, 2, 4, 4), (3, 3, 4), (3, 2, 8), (3, 3)]
    assert not any(part.asnumpy().any() for part in state[:-1])
    assert np.array_equal(state[-1].asnumpy(), np.eye(3)[[0] * 3])


def test_operations_are_two_a_multiply_add(system):
    # x to u, h to u, commands, what was read to h, y; confidences; four products of each head; stack
    products = 64 + 64 + 8 * 44 + 20 * 8 + 28 * 8 + (4 * 4 + 2 * 3 * 4 * 5 + 2 * 3 * 4) + 4 * 2 * 16 + (3 * 2 * 8 + 6 * 9)
    assert system.flops(1) == 2 * products and system.flops(7) == 14 * products


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((1, 1, 2, 1), "width of the meta system: expected at least 2, got 1"),
        ((8, 3, 2, 1), "heads of the meta system: expected a divisor of the width 8, got 3"),
        ((8, 0, 2, 1), "heads of the meta system: expected a divisor of the width 8, got 0"),
        ((8, 2, 1, 1), "hypotheses of a register: expected at least 2, got 1"),
        ((8, 2, 2, 0), "depth of a plan stack: expected at least 1 cell, got 0"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        MetaSystem(*sizes, np.random.default_rng(0))
