"""(I + A)^-1 for strictly lower triangular A, by merging the inverses of diagonal blocks.

    [[A11, 0], [A21, A22]]^-1 = [[T1, 0], [-T2 A21 T1, T2]]

where I is part of A11 and A22. Tiles of 16 x 16 are inverted by merging from single rows up, with whole products under
masks. Unlike doubling, (I - A)(I + A^2)(I + A^4)..., this never forms powers of A, which overflow where state tracking
lives: with equal keys and beta near 2.

Shapes: M chunks of C tokens, S side of a tile.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

from sfm_ms.ops.slices import block

TILE = 16  # the Cube's


class UnitLowerInverse(nn.Cell):
    """A (M, C, C), strictly lower triangular, C = 16 x a power of two -> (I + A)^-1 (M, C, C), fp32."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size
        self.identity = Tensor(np.eye(TILE, dtype=np.float32))
        self.masks = [Tensor(left_of_diagonal(TILE, side)) for side in (1, 2, 4, 8)]
        self.product = ops.BatchMatMul()

    def construct(self, a_MCC):
        blocks = tuple(self.tile_inverse(block(a_MCC, start, start, TILE)) for start in range(0, self.size, TILE))
        side = TILE
        while side < self.size:
            blocks = self.merged(a_MCC, blocks, side)
            side = 2 * side
        return blocks[0]

    def tile_inverse(self, a_MSS):
        inverse = self.identity - a_MSS * self.masks[0]
        for mask in self.masks[1:]:
            inverse = inverse - self.product(self.product(inverse, a_MSS * mask), inverse)
        return inverse

    def merged(self, a_MCC, blocks, side):
        """The inverses of diagonal blocks twice as large."""
        merged = ()
        for start in range(0, self.size, 2 * side):
            upper, lower = blocks[start // side], blocks[start // side + 1]
            corner = -self.product(self.product(lower, block(a_MCC, start + side, start, side)), upper)
            merged = (*merged, ops.concat((ops.concat((upper, ops.zeros_like(corner)), 2), ops.concat((corner, lower), 2)), 1))
        return merged


def left_of_diagonal(size, side):
    """1 in the blocks (side x side) below and left of the diagonal in each diagonal block twice as large."""
    row, column = np.indices((size, size)) // side
    return ((row == column + 1) & (column % 2 == 0)).astype(np.float32)
