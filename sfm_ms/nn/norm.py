"""Layer normalisation over the last axis."""

from __future__ import annotations

from mindspore import nn

EPSILON = 1e-5  # MindSpore's own 1e-7 is below what fp16 can hold


def layer_norm(dim: int) -> nn.LayerNorm:
    """Ba et al. 2016, equation 4, of vectors of `dim` numbers, with a gain and a bias for each."""
    return nn.LayerNorm((dim,), epsilon=EPSILON)
