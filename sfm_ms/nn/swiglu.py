"""The feed-forward half of a block, gated: (silu(x G) * (x U)) D; Shazeer 2020, "GLU Variants Improve Transformer"."""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.init import normal
from sfm_ms.nn.linear import product


class SwiGlu(nn.Cell):
    """(..., dim) -> (..., dim), without biases."""

    def __init__(self, dim: int, hidden_dim: int, rng: np.random.Generator):
        super().__init__()
        self.gate_DH, self.up_DH = normal(rng, (dim, hidden_dim)), normal(rng, (dim, hidden_dim))
        self.down_HD = normal(rng, (hidden_dim, dim))

    def construct(self, x):
        gate = product(x, self.gate_DH)
        return product(gate * ops.sigmoid(gate) * product(x, self.up_DH), self.down_HD)


def hidden_dim(dim: int) -> int:
    """8/3 of the width, as many weights as a layer of four times the width without gates has; a multiple of 16."""
    return 16 * round(dim * 8 / 3 / 16)
