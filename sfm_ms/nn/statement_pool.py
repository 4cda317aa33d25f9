"""One vector for each statement of a text: the weighted mean of what its tokens say, with weights of their own for each head.

    statement = sum_t w_t v_t / sum_t w_t        v_t = norm(x_t) V        w_t = exp(4 tanh(norm(x_t) W))

The weights are bounded, so the sums need no running maximum, and the part of a statement that a piece of text ends with goes on
to the next piece as its two sums.

Shapes: B rows, T tokens, S statements, R = S + 1 places (nn/statement_places.py), D width of tokens, C width of statements, P
heads, F = C / P.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.init import normal
from sfm_ms.nn.linear import product
from sfm_ms.nn.norm import RmsNorm

SHARPNESS = 4.0  # a token's weight is between exp(-4) and exp(4)
SMALLEST_WEIGHT = 1e-6  # of a statement: where there is none


class StatementPool(nn.Cell):
    """(x (B, T, D), member (B, R, T), is_unfinished (B, R), sums (B, P, F + 1)) -> (statements (B, S, C), sums).

    `sums` are those of a statement that is not complete; 0 where a text begins.
    """

    def __init__(self, dim: int, statement_dim: int, num_heads: int, rng: np.random.Generator):
        super().__init__()
        if statement_dim % num_heads != 0:
            raise ValueError(f"heads of a statement pool: expected a divisor of the width {statement_dim}, got {num_heads}")
        self.num_heads, self.head_dim = num_heads, statement_dim // num_heads
        self.norm = RmsNorm(dim)
        self.value_DC, self.weight_DP = normal(rng, (dim, statement_dim)), normal(rng, (dim, num_heads))

    def construct(self, x_BTD, member_BRT, is_unfinished_BR, sums_BPF):
        sums_BRPF = self.sums(x_BTD, member_BRT, sums_BPF)
        num_rows, num_places = is_unfinished_BR.shape
        complete_BSPF = sums_BRPF[:, : num_places - 1]
        mean_BSPF = complete_BSPF[..., : self.head_dim] / (complete_BSPF[..., self.head_dim :] + SMALLEST_WEIGHT)
        unfinished_BPF = (is_unfinished_BR.reshape(num_rows, num_places, 1, 1) * sums_BRPF).sum(1)
        return mean_BSPF.reshape(num_rows, num_places - 1, -1), unfinished_BPF

    def sums(self, x_BTD, member_BRT, sums_BPF):
        """Of weighted values and of weights, (B, R, P, F + 1); the first place begins with what there was before."""
        num_rows, num_tokens = x_BTD.shape[:2]
        x_BTD = self.norm(x_BTD)
        weight_BTP1 = ops.exp(SHARPNESS * ops.tanh(product(x_BTD, self.weight_DP))).expand_dims(3)
        value_BTPF = product(x_BTD, self.value_DC).reshape(num_rows, num_tokens, self.num_heads, self.head_dim)
        weighed_BTX = ops.concat((weight_BTP1 * value_BTPF, weight_BTP1), 3).reshape(num_rows, num_tokens, -1)
        new_BRPF = ops.bmm(member_BRT, weighed_BTX).reshape(num_rows, -1, self.num_heads, self.head_dim + 1)
        return ops.concat((new_BRPF[:, :1] + sums_BPF.expand_dims(1), new_BRPF[:, 1:]), 1)

    def begin(self, num_rows: int):
        """The sums of `num_rows` texts before their first token."""
        return ops.zeros((num_rows, self.num_heads, self.head_dim + 1))
