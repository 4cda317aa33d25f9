"""One vector for each statement straight from the tokens as they are spelled, before any layer knows of the text around them.

    statement = pool(x + conv(x))        conv: over the last few tokens, so that their order counts

Shapes: B rows, T tokens, S statements, R = S + 1 places (nn/statement_places.py), D width of tokens, C width of statements, P
heads of the pool, F = C / P, W tokens of the convolution.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn

from sfm_ms.nn.linear import matrices
from sfm_ms.nn.short_convolution import ShortConvolution
from sfm_ms.nn.statement_pool import StatementPool


class StatementReader(nn.Cell):
    """(x (B, T, D), is_token (B, T), member (B, R, T), is_unfinished (B, R), past (B, W - 1, D), sums (B, P, F + 1))
    -> (statements (B, S, C), past, sums)."""

    def __init__(self, dim: int, statement_dim: int, num_heads: int, rng: np.random.Generator):
        super().__init__()
        self.convolution = ShortConvolution(dim, rng)
        self.pool = StatementPool(dim, statement_dim, num_heads, rng)

    def construct(self, x_BTD, is_token_BT, member_BRT, is_unfinished_BR, past_BWD, sums_BPF):
        mixed_BTD, past_BWD = self.convolution(x_BTD, is_token_BT, past_BWD)
        statements_BSC, sums_BPF = self.pool(x_BTD + mixed_BTD, member_BRT, is_unfinished_BR, sums_BPF)
        return statements_BSC, past_BWD, sums_BPF

    def begin(self, num_rows: int) -> tuple:
        """past and sums of `num_rows` texts before their first token."""
        return self.convolution.begin(num_rows), self.pool.begin(num_rows)

    def flops(self, num_tokens: int, num_statements: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass for one piece of a text."""
        of_token = sum(matrix.size for matrix in matrices(self))
        return 2 * num_tokens * (of_token + (num_statements + 1) * self.pool.value_DC.shape[1])
