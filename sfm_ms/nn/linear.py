"""Products of rows and matrices, an affine layer, y = x W + b, and what all the affine layers inside a Cell cost.

Shapes: X width of the input, Y width of the output.
"""

from __future__ import annotations

import numpy as np
from mindspore import dtype as mstype
from mindspore import nn, ops

from sfm_ms.nn.init import normal, zeros

MATRIX_PRODUCT = ops.MatMul()


def product(x, weight_XY):
    """x W, (..., X) -> (..., Y), as one product of two matrices.

    `ops.matmul` makes a batch of products of more than two axes, with a copy of W for each; their gradients of W have to be
    added up. Of two axes it transposes the operands before the gradient's products.
    """
    rows = MATRIX_PRODUCT(x.reshape(-1, weight_XY.shape[0]), weight_XY)
    return rows.reshape(*x.shape[:-1], weight_XY.shape[1])


def product_in(dtype, x, weight_XY):
    """`product` of both rounded to `dtype`, as float32."""
    return product(x.astype(dtype), weight_XY.astype(dtype)).astype(mstype.float32)


class Linear(nn.Cell):
    """(..., X) -> (..., Y)."""

    def __init__(self, in_dim: int, out_dim: int, rng: np.random.Generator, std: float | None = None):
        super().__init__()
        self.in_dim, self.out_dim = in_dim, out_dim
        self.weight_XY = normal(rng, (in_dim, out_dim), std)
        self.bias_Y = zeros((out_dim,))

    def construct(self, x):
        return product(x, self.weight_XY) + self.bias_Y


def matrices(cell: nn.Cell) -> list:
    """The Parameters inside the Cell that rows are multiplied with: all that have two axes, but for tables."""
    return [p for p in cell.get_parameters() if p.ndim == 2 and not getattr(p, "is_table", False)]


def num_operands(cell: nn.Cell) -> int:
    """Numbers of one row that the backward pass needs of every product with one of `matrices`."""
    return sum(matrix.shape[0] for matrix in matrices(cell))


def num_products(cell: nn.Cell) -> int:
    """Multiply-adds of one row through every Linear inside the Cell."""
    return sum(layer.in_dim * layer.out_dim for layer in _linears(cell))


def num_inputs(cell: nn.Cell) -> int:
    """Numbers that every Linear inside the Cell keeps of one row for the backward pass."""
    return sum(layer.in_dim for layer in _linears(cell))


def _linears(cell: nn.Cell) -> list[Linear]:
    return [layer for _, layer in cell.cells_and_names() if isinstance(layer, Linear)]
