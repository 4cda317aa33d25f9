"""Tokens to vectors and vectors to logits, by one table (Press and Wolf 2017, "Using the Output Embedding").

Shapes: B rows, T tokens, D width, Y tokens in the vocabulary.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.init import table
from sfm_ms.nn.norm import RmsNorm


class Vocabulary(nn.Cell):
    """(x (B, T, D)) -> logits (B, T, Y). `embed`: (tokens (B, T) int32) -> (B, T, D), of mean square 1 in a fresh model."""

    def __init__(self, num_tokens: int, dim: int, rng: np.random.Generator):
        super().__init__()
        self.num_tokens, self.dim, self.scale = num_tokens, dim, dim**0.5
        self.table_YD = table(rng, (num_tokens, dim), std=dim**-0.5)
        self.norm = RmsNorm(dim)
        self.product = ops.MatMul(transpose_b=True)

    def embed(self, tokens_BT):
        return ops.gather(self.table_YD, tokens_BT, 0) * self.scale

    def flops(self, num_tokens: int) -> int:
        return 2 * num_tokens * self.table_YD.size

    def construct(self, x_BTD):
        num_rows, num_tokens, dim = x_BTD.shape
        logits = self.product(self.norm(x_BTD).reshape(-1, dim), self.table_YD)
        return logits.reshape(num_rows, num_tokens, self.num_tokens)
