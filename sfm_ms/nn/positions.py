"""Positions as angles: added to a token as waves (Vaswani et al. 2017) or turned into queries and keys (Su et al. 2021).

Positions are numbers computed from the input, so there is no longest length.

Shapes: B programs, S tokens, H heads, K width of a head, A = width / 2 angles.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

LONGEST_PERIOD = 10_000.0


class Angles(nn.Cell):
    """(positions (B, S)) -> angles (B, S, A): each position times a falling series of frequencies."""

    def __init__(self, dim: int):
        super().__init__()
        exponents_A = np.arange(0, dim, 2) / dim
        self.frequencies_A = Tensor((LONGEST_PERIOD**-exponents_A).astype(np.float32))

    def construct(self, positions_BS):
        return positions_BS.expand_dims(2) * self.frequencies_A


def waves(angles_BSA):
    """What is added to the tokens, (B, S, 2A)."""
    return ops.concat((ops.sin(angles_BSA), ops.cos(angles_BSA)), 2)


def rotation(angles_BSA):
    """cos and sin for `rotate`, each (B, 1, S, K): number i of a head is paired with number i + K/2."""
    angles_B1SK = ops.concat((angles_BSA, angles_BSA), 2).expand_dims(1)
    return ops.cos(angles_B1SK), ops.sin(angles_B1SK)


def rotate(x_BHSK, rotation):
    """Turns every pair by its angle: products of a turned query and a turned key depend on the distance only."""
    cos_B1SK, sin_B1SK = rotation
    left, right = ops.Split(3, 2)(x_BHSK)
    return x_BHSK * cos_B1SK + ops.concat((-right, left), 3) * sin_B1SK
