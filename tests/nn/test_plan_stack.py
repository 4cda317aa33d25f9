"""The plan stack against a list, and its gradients against differences."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from sfm_ms.nn.plan_stack import NUM_ACTIONS, POP, PUSH, STAY, PlanStack, straight_through

DEPTH, DIM = 3, 4


class Steps(nn.Cell):
    """actions (B, T, A), items (B, T, D), cells, pointer -> tops (B, T, D), cells, pointer."""

    def __init__(self, depth):
        super().__init__()
        self.stack = PlanStack(depth)

    def construct(self, actions, items, cells, pointer):
        tops = []
        for t in range(actions.shape[1]):
            cells, pointer, top = self.stack(cells, pointer, actions[:, t], items[:, t])
            tops.append(top)
        return ops.stack(tops, 1), cells, pointer


def list_stack(actions, items, depth):
    """The item on top after every action (zeros where there is none), and the list of items in the end."""
    stack, tops = [], []
    for action, item in zip(actions, items, strict=True):
        if action == PUSH and len(stack) < depth:
            stack.append(item)
        elif action == POP and stack:
            stack.pop()
        tops.append(stack[-1] if stack else np.zeros_like(item))
    return tops, stack


@pytest.mark.parametrize("depth", [1, DEPTH])
def test_one_hot_actions_make_it_a_list(depth):
    rng = np.random.default_rng(0)
    # Rows that mostly push overflow, rows that mostly pop underflow.
    chances = np.repeat([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.4, 0.4, 0.2]], 20, 0)
    actions = np.stack([rng.choice(NUM_ACTIONS, 12, p=p) for p in chances])
    items = rng.normal(size=(60, 12, DIM)).astype(np.float32)
    steps = Steps(depth)
    tops, cells, pointer = steps(
        Tensor(np.eye(NUM_ACTIONS, dtype=np.float32)[actions]), Tensor(items), *steps.stack.begin(60, DIM)
    )
    for row in range(60):
        expected_tops, left = list_stack(actions[row], items[row], depth)
        assert np.array_equal(tops.asnumpy()[row], expected_tops)
        assert np.array_equal(pointer.asnumpy()[row], np.arange(depth + 1) == len(left))
        assert all(np.array_equal(cells.asnumpy()[row, place], item) for place, item in enumerate(left))
    heights = pointer.asnumpy().argmax(1)
    assert {0, depth} <= set(heights)


def reference(actions, items, cells, pointer):
    """Height by height, action by action."""
    tops, depth = [], cells.shape[1]
    for chances, item in zip(actions.swapaxes(0, 1), items.swapaxes(0, 1), strict=True):
        cells, after = cells.copy(), np.zeros_like(pointer)
        for height in range(depth + 1):
            here = pointer[:, height]
            after[:, min(height + 1, depth)] += chances[:, PUSH] * here
            after[:, max(height - 1, 0)] += chances[:, POP] * here
            after[:, height] += chances[:, STAY] * here
            if height < depth:
                cells[:, height] += (chances[:, PUSH] * here)[:, None] * (item - cells[:, height])
        pointer = after
        tops.append(sum(pointer[:, height + 1, None] * cells[:, height] for height in range(depth)))
    return np.stack(tops, 1), cells, pointer


def soft_inputs():
    rng = np.random.default_rng(1)
    shapes = (rng.dirichlet(np.ones(NUM_ACTIONS), (2, 5)), rng.normal(size=(2, 5, DIM)), rng.normal(size=(2, DEPTH, DIM)))
    return [array.astype(np.float32) for array in (*shapes, rng.dirichlet(np.ones(DEPTH + 1), 2))]


def test_soft_actions_are_the_mixture_of_what_the_actions_do():
    arrays = soft_inputs()
    for got, expected in zip(Steps(DEPTH)(*map(Tensor, arrays)), reference(*arrays), strict=True):
        assert np.allclose(got.asnumpy(), expected, atol=1e-6)
        assert got.shape == expected.shape
    assert np.allclose(Steps(DEPTH)(*map(Tensor, arrays))[2].asnumpy().sum(1), 1, atol=1e-6)


class Loss(nn.Cell):
    """A weighted sum of all that comes out; weights for each output."""

    def __init__(self, weights):
        super().__init__()
        self.steps, self.weights = Steps(DEPTH), [Tensor(weight, ms.float32) for weight in weights]

    def construct(self, actions, items, cells, pointer):
        out = self.steps(actions, items, cells, pointer)
        return (out[0] * self.weights[0]).sum() + (out[1] * self.weights[1]).sum() + (out[2] * self.weights[2]).sum()


def test_gradients_are_those_of_the_reference_by_differences_also_at_a_second_call():
    arrays, rng = soft_inputs(), np.random.default_rng(2)
    weights = [rng.normal(size=array.shape) for array in reference(*arrays)]
    gradient = ms.grad(Loss(weights), (0, 1, 2, 3))
    for _ in range(2):
        gradients = gradient(*map(Tensor, arrays))
        for i, array in enumerate(arrays):
            direction, ends = rng.normal(size=array.shape), []
            for sign in (1, -1):
                moved = [a.astype(np.float64) + (sign * 1e-5 * direction if i == j else 0) for j, a in enumerate(arrays)]
                ends.append(sum((out * weight).sum() for out, weight in zip(reference(*moved), weights, strict=True)))
            assert np.isclose((gradients[i].asnumpy() * direction).sum(), (ends[0] - ends[1]) / 2e-5, rtol=1e-3, atol=1e-3)


class Chosen(nn.Cell):
    """The sum of weights (.., A) of the actions, hard or soft."""

    def __init__(self, weights, is_hard):
        super().__init__()
        self.weights, self.is_hard = Tensor(weights, ms.float32), is_hard

    def construct(self, logits):
        chances = ops.softmax(logits, -1)
        return ((straight_through(chances) if self.is_hard else chances) * self.weights).sum()


class Hard(nn.Cell):
    def construct(self, chances):
        return straight_through(chances)


def test_hard_actions_are_exactly_one_hot_with_the_gradient_of_soft_ones():
    rng = np.random.default_rng(3)
    chances = rng.dirichlet(np.ones(NUM_ACTIONS), 500).astype(np.float32)
    assert np.array_equal(Hard()(Tensor(chances)).asnumpy(), np.eye(NUM_ACTIONS)[chances.argmax(1)])
    logits, weights = rng.normal(size=(2, 7, NUM_ACTIONS)).astype(np.float32)
    hard, soft = (ms.grad(Chosen(weights, is_hard))(Tensor(logits)).asnumpy() for is_hard in (True, False))
    assert np.abs(soft).max() > 0.01
    assert np.allclose(hard, soft, atol=1e-7)


def test_a_stack_without_cells_is_refused():
    with pytest.raises(ValueError, match="depth of a plan stack: expected at least 1 cell, got 0"):
        PlanStack(0)
