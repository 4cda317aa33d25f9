"""Causal attention whose softmax is a product of feature maps, so that its past fits into one matrix a head.

    out_t = phi(q_t)^T S_t / phi(q_t)^T z_t        S_t = S_{t-1} + phi(k_t) v_t^T        z_t = z_{t-1} + phi(k_t)

with phi(x) = elu(x) + 1 (Katharopoulos et al. 2020, "Transformers are RNNs", equations 12 and 16 to 20). Values get one
more number, a constant 1: then z is the last column of S, and numerator and denominator come out of one product.

Shapes: B programs, T statements of a segment, D width, H heads, K width of a head, V = K + 1.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.attention import merge_heads, split_heads
from sfm_ms.nn.linear import Linear

EPSILON = 1e-6  # in the denominator, for statements before which there is nothing


class LinearAttention(nn.Cell):
    """(x (B, T, D), is_statement (B, T), memory (B, H, K, V)) -> (B, T, D), memory; padding is not remembered."""

    def __init__(self, dim: int, num_heads: int, rng: np.random.Generator):
        super().__init__()
        self.num_heads = num_heads
        self.qkv, self.output = Linear(dim, 3 * dim, rng), Linear(dim, dim, rng)
        self.product, self.product_transposed = ops.BatchMatMul(), ops.BatchMatMul(transpose_b=True)
        self.transposed_product = ops.BatchMatMul(transpose_a=True)

    def construct(self, x_BTD, is_statement_BT, memory_BHKV):
        num_programs, num_statements, _ = x_BTD.shape
        q_BHTK, k_BHTK, v_BHTK = split_heads(self.qkv(x_BTD), self.num_heads)
        q_BHTK = ops.elu(q_BHTK) + 1
        k_BHTK = (ops.elu(k_BHTK) + 1) * is_statement_BT.reshape(num_programs, 1, num_statements, 1)
        v_BHTV = ops.concat((v_BHTK, ops.ones_like(v_BHTK[:, :, :, :1])), 3)
        scores_BHTT = ops.tril(self.product_transposed(q_BHTK, k_BHTK))
        out_BHTV = self.product(scores_BHTT, v_BHTV) + self.product(q_BHTK, memory_BHKV)
        out_BHTK = out_BHTV[:, :, :, :-1] / (out_BHTV[:, :, :, -1:] + EPSILON)
        return self.output(merge_heads(out_BHTK)), memory_BHKV + self.transposed_product(k_BHTK, v_BHTV)
