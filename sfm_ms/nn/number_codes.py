"""Vectors for the numbers 0..C-1: fixed features that arithmetic can be learned from, and a learned rest.

The features are Fourier features of the number and of its logarithm. With cos and sin of an angle at hand a product of
two features is a cos or sin of the sum (or difference) of angles, so a bilinear unit can learn addition and subtraction
from the first and multiplication from the second (Vaswani et al. 2017, section 3.5, uses the same for positions).
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

from sfm_ms.nn.init import normal

# Of the numbers, in units of C: octaves, so that the longest tells any sum or difference of two numbers, those from C on
# down add modulo C, and the shortest tells neighbours apart. Then odd parts of 2 C, of which a square wave is made: the
# sign of a difference, so comparison. Of the logarithms: octaves of the number itself.
OCTAVES = (4, 2, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32)
LINEAR_PERIODS = (*OCTAVES, 2 / 3, 2 / 5, 2 / 7, 2 / 9, 2 / 11, 2 / 13)
LOG2_PERIODS = (16, 8, 4, 2, 1, 0.5, 0.25, 0.125)
NUM_FEATURES = 1 + 2 * (len(LINEAR_PERIODS) + len(LOG2_PERIODS))


def number_features(numbers: np.ndarray, num_numbers: int) -> np.ndarray:
    """(..., NUM_FEATURES): a constant 1, then sin and cos of the numbers and of their base-2 logarithms (of 1/4 for 0)."""
    angles = [2 * np.pi * numbers / (period * num_numbers) for period in LINEAR_PERIODS]
    angles += [2 * np.pi * np.log2(np.maximum(numbers, 0.25)) / period for period in LOG2_PERIODS]
    waves = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
    return np.stack([np.ones(np.shape(numbers)), *waves], axis=-1)


class NumberCodes(nn.Cell):
    """The code book: () -> codes (C, V). V must leave room for the NUM_FEATURES fixed columns."""

    def __init__(self, num_numbers: int, dim: int, rng: np.random.Generator):
        super().__init__()
        self.fixed_CF = Tensor(number_features(np.arange(num_numbers), num_numbers).astype(np.float32))
        self.learned_CL = normal(rng, (num_numbers, dim - NUM_FEATURES), std=0.3)

    def construct(self):
        return ops.concat((self.fixed_CF, self.learned_CL), 1)
