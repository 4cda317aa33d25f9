"""Layer normalisation (Ba et al. 2016) over the last axis."""

from __future__ import annotations

from mindspore import nn

EPSILON = 1e-5  # MindSpore's own 1e-7 is below what fp16 can hold


def layer_norm(dim: int) -> nn.LayerNorm:
    return nn.LayerNorm((dim,), epsilon=EPSILON)
