"""Normalisation over the last axis."""

from __future__ import annotations

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from sfm_ms.nn.spread import spread

EPSILON = 1e-5  # MindSpore's own 1e-7 is below what fp16 can hold


def layer_norm(dim: int) -> nn.LayerNorm:
    """Ba et al. 2016, equation 4, of vectors of `dim` numbers, with a gain and a bias for each."""
    return nn.LayerNorm((dim,), epsilon=EPSILON)


class RmsNorm(nn.Cell):
    """Zhang and Sennrich 2019, equation 4: x over the root of its mean square, with a gain for each number."""

    def __init__(self, dim: int):
        super().__init__()
        self.gain_D = Parameter(Tensor(np.ones(dim, np.float32)))

    def construct(self, x):
        return rms_normed(x) * spread(self.gain_D, x)


def rms_normed(x):
    """The same without the gain."""
    mean_square = ops.square(x).sum(-1, keepdims=True) / x.shape[-1]  # on CPU `mean` takes twice as long as `sum`
    return x * ops.rsqrt(mean_square + EPSILON)
