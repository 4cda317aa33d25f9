"""One vector for a statement: its tokens side by side through one layer.

Shapes: B programs, T statements of a segment, W tokens a statement, D width.
"""

from __future__ import annotations

import numpy as np
from mindspore import dtype as mstype
from mindspore import nn, ops

from sfm_ms.nn.linear import Linear
from sfm_ms.nn.token_embedding import TokenEmbedding


class StatementEmbedding(nn.Cell):
    """(statements (B, T, W) int32) -> (B, T, D), 1 for statements and 0 for padding (B, T)."""

    def __init__(self, token_dim: int, dim: int, shape, rng: np.random.Generator):
        super().__init__()
        self.tokens = TokenEmbedding(token_dim, shape, rng)
        self.together = Linear(shape.statement_width * token_dim, dim, rng)

    def construct(self, statements_BTW):
        num_programs, num_statements, _ = statements_BTW.shape
        tokens_BTX = self.tokens(statements_BTW).reshape(num_programs, num_statements, -1)
        return ops.relu(self.together(tokens_BTX)), (statements_BTW[:, :, 0] > 0).astype(mstype.float32)
