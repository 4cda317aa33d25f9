"""Kernels of a chunk in MindSpore's hybrid DSL, which the AKG compiler bundled with MindSpore makes machine code of.

Each is a plain NumPy function as well. What the DSL can't express on a CPU is listed in README.md; the rest of a chunk is
that of chunked.py.

Shapes: M chunks, C tokens a chunk, K key width, V value width.
"""

# ruff: noqa: F821 (output_tensor and float32 are names of the DSL, which it sets when a kernel is called)
from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.ops import kernel

from sfm_ms.ops.akg_compiler import compiled
from sfm_ms.ops.gated_delta_rule.chunked import ChunkedGatedDeltaRule, ChunkKernels


@kernel
def gram(left, right, weights):
    """left right^T * weights: (M, C, K), (M, C, K), (M, C, C) -> (M, C, C)."""
    out = output_tensor(weights.shape, weights.dtype)
    for m in range(weights.shape[0]):
        for i in range(weights.shape[1]):
            for j in range(weights.shape[2]):
                out[m, i, j] = float32(0.0)
                for d in range(left.shape[2]):
                    out[m, i, j] = out[m, i, j] + left[m, i, d] * right[m, j, d]
                out[m, i, j] = out[m, i, j] * weights[m, i, j]
    return out


@kernel
def solve(a, right):
    """X with (I + A) X = right, by substitution; A strictly lower triangular: (M, C, C), (M, C, V) -> (M, C, V)."""
    x = output_tensor(right.shape, right.dtype)
    for m in range(right.shape[0]):
        for i in range(right.shape[1]):
            for v in range(right.shape[2]):
                x[m, i, v] = right[m, i, v]
                for j in range(right.shape[1]):
                    if j < i:
                        x[m, i, v] = x[m, i, v] - a[m, i, j] * x[m, j, v]
    return x


@kernel
def read(queries, states, p, x):
    """queries states + P X: (M, C, K), (M, K, V), (M, C, C), (M, C, V) -> (M, C, V)."""
    out = output_tensor(x.shape, x.dtype)
    for m in range(x.shape[0]):
        for i in range(x.shape[1]):
            for v in range(x.shape[2]):
                out[m, i, v] = float32(0.0)
                for d in range(queries.shape[2]):
                    out[m, i, v] = out[m, i, v] + queries[m, i, d] * states[m, d, v]
                for j in range(p.shape[2]):
                    out[m, i, v] = out[m, i, v] + p[m, i, j] * x[m, j, v]
    return out


class Inverse(nn.Cell):
    """(I + A)^-1 as the solution for the identity."""

    def __init__(self, size: int):
        super().__init__()
        self.identity = Tensor(np.eye(size, dtype=np.float32))
        self.solve = compiled(solve, like=1)

    def construct(self, a_MCC):
        return self.solve(a_MCC, ops.zeros_like(a_MCC) + self.identity)


def akg_kernels(chunk_size: int) -> ChunkedGatedDeltaRule:
    kernels = ChunkKernels(compiled(gram, like=2), Inverse(chunk_size), compiled(read, like=3))
    return ChunkedGatedDeltaRule(chunk_size, kernels)
