"""The signed scan in MindSpore primitives and graph mode, with a graph of logarithmic depth.

The factors a_t are multiplied as they are: products of factors of size 1 at most neither overflow nor lose a sign, so
nothing needs logarithms. A matrix of decays for each tile and channel would be 16 times as large as the input.

Shapes: B batch, T time, D channels, M = B T.
"""

from __future__ import annotations

from mindspore import nn, ops

from sfm_ms.ops.affine_scan import affine_scan

multiply = ops.Mul()


class ChunkedScan(nn.Cell):
    """(x, decay (B, T, D), state before all (B, D)) -> states after every step (B, T, D); reversed, the last step is first."""

    def __init__(self, is_reversed: bool):
        super().__init__()
        self.is_reversed = is_reversed

    def construct(self, x_BTD, decay_BTD, state_BD):
        num_channels = x_BTD.shape[2]
        x_MD, decay_MD = x_BTD.reshape(-1, num_channels), decay_BTD.reshape(-1, num_channels)
        before_MD, _ = affine_scan(decay_MD, x_MD, state_BD, multiply, ops.ones_like(state_BD[0]), self.is_reversed)
        return (decay_MD * before_MD + x_MD).reshape(x_BTD.shape)
