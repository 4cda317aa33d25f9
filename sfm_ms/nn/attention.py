"""Softmax attention with several heads (Vaswani et al. 2017, section 3.2).

Shapes: B programs, S tokens, D width, H heads, K = D / H width of a head.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.linear import Linear
from sfm_ms.nn.positions import rotate

MASKED = -1e4  # added to a score: its weight becomes exactly 0 in fp32, and fp16 can hold it


class Attention(nn.Cell):
    """(x (B, S, D), bias that broadcasts to (B, H, S, S), rotation or None) -> (B, S, D).

    The bias is added to the scores: 0 where a token may look, MASKED where not. `rotation` is that of nn/positions.py.
    """

    def __init__(self, dim: int, num_heads: int, rng: np.random.Generator):
        super().__init__()
        self.num_heads, self.scale = num_heads, (dim // num_heads) ** -0.5
        self.qkv, self.output = Linear(dim, 3 * dim, rng), Linear(dim, dim, rng)
        self.product, self.product_transposed = ops.BatchMatMul(), ops.BatchMatMul(transpose_b=True)

    def construct(self, x_BSD, bias, rotation):
        q_BHSK, k_BHSK, v_BHSK = split_heads(self.qkv(x_BSD), self.num_heads)
        if rotation is not None:
            q_BHSK, k_BHSK = rotate(q_BHSK, rotation), rotate(k_BHSK, rotation)
        scores_BHSS = self.product_transposed(q_BHSK * self.scale, k_BHSK) + bias
        return self.output(merge_heads(self.product(ops.softmax(scores_BHSS, -1), v_BHSK)))


def split_heads(qkv, num_heads):
    """(B, S, 3D) -> queries, keys and values, each (B, H, S, K)."""
    num_programs, num_tokens, width = qkv.shape
    parts = qkv.reshape(num_programs, num_tokens, 3, num_heads, width // (3 * num_heads))
    return ops.unbind(parts.transpose(2, 0, 3, 1, 4))


def merge_heads(x_BHSK):
    """(B, H, S, K) -> (B, S, D)."""
    num_programs, num_heads, num_tokens, width = x_BHSK.shape
    return x_BHSK.transpose(0, 2, 1, 3).reshape(num_programs, num_tokens, num_heads * width)


def causal_bias(num_tokens):
    """(S, S): MASKED above the diagonal, where the token looked at comes later."""
    return MASKED * ops.triu(ops.ones((num_tokens, num_tokens)), 1)
