"""The feed-forward half of a transformer block: relu(x W1 + b1) W2 + b2 (Vaswani et al. 2017, equation 2)."""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.linear import Linear


class Mlp(nn.Cell):
    """(..., dim) -> (..., dim)."""

    def __init__(self, dim: int, hidden_dim: int, rng: np.random.Generator):
        super().__init__()
        self.expand, self.contract = Linear(dim, hidden_dim, rng), Linear(hidden_dim, dim, rng)

    def construct(self, x):
        return self.contract(ops.relu(self.expand(x)))
