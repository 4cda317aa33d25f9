"""A differentiable stack: cells, and a distribution over how many of them are in use.

    pointer <- push * up(pointer) + pop * down(pointer) + stay * pointer
    cell_l  <- (1 - w_l) cell_l + w_l item        w_l = push * pointer_(l-1): the push that ends at height l
    top      = sum over l >= 1 of pointer_l cell_l        nothing at height 0

A full stack is not pushed on and an empty one not popped: there both are no action. With actions and a pointer that are
one-hot this is a list, exactly. The pointer as a distribution that shifts is that of Bosnjak et al. 2017, "Programming with
a Differentiable Forth Interpreter", section 3; theirs wraps around at its ends.

Shapes: B rows, L cells, P = L + 1 heights, A = 3 actions, D width of an item.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

PUSH, POP, STAY = range(3)
NUM_ACTIONS = 3


class PlanStack(nn.Cell):
    """(cells (B, L, D), pointer (B, P), actions (B, A), item (B, D)) -> cells, pointer, top (B, D) after the action.

    `actions` are chances that sum to 1, in the order PUSH, POP, STAY. There are no parameters.
    """

    def __init__(self, depth: int):
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth of a plan stack: expected at least 1 cell, got {depth}")
        self.depth = depth
        self.moves_PX = Tensor(_moves(depth).reshape(depth + 1, -1))

    def construct(self, cells_BLD, pointer_BP, actions_BA, item_BD):
        written_BL1 = (actions_BA[:, PUSH : PUSH + 1] * pointer_BP[:, :-1]).expand_dims(2)
        cells_BLD = (1 - written_BL1) * cells_BLD + written_BL1 * item_BD.expand_dims(1)
        moved_BAP = ops.matmul(pointer_BP, self.moves_PX).reshape(-1, NUM_ACTIONS, self.depth + 1)
        pointer_BP = ops.bmm(actions_BA.expand_dims(1), moved_BAP).squeeze(1)
        return cells_BLD, pointer_BP, ops.bmm(pointer_BP[:, 1:].expand_dims(1), cells_BLD).squeeze(1)

    def begin(self, num_rows: int, dim: int) -> tuple:
        """The cells and the pointer of `num_rows` stacks that are empty."""
        pointer = ops.concat((ops.ones((num_rows, 1)), ops.zeros((num_rows, self.depth))), 1)
        return ops.zeros((num_rows, self.depth, dim)), pointer

    def num_products(self, dim: int) -> int:
        """Multiply-adds of one row's action, with items of `dim` numbers."""
        return 3 * self.depth * dim + 2 * NUM_ACTIONS * (self.depth + 1) ** 2


def straight_through(chances):
    """One-hot at the greatest chance of the last axis; backwards as if it were the chances (Bengio et al. 2013, section 2.3)."""
    greatest = ops.one_hot(chances.argmax(-1), chances.shape[-1])
    return chances + ops.stop_gradient(greatest.astype(chances.dtype) - chances)


def _moves(depth: int) -> np.ndarray:
    """(P, A, P), 1 where an action leads from a height to a height."""
    heights = np.arange(depth + 1)
    moves = np.zeros((depth + 1, NUM_ACTIONS, depth + 1), np.float32)
    moves[heights, PUSH, np.minimum(heights + 1, depth)] = 1
    moves[heights, POP, np.maximum(heights - 1, 0)] = 1
    moves[heights, STAY, heights] = 1
    return moves
