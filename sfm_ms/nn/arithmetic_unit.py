"""A bilinear layer whose products are gated by an instruction: the model's arithmetic, learned from examples.

    h = (x A) * (x B) * gate        logits = (h C) codes^T

Every hidden number is a product of two learned views of the operands, so sums of angles (nn/number_codes.py), and with
them addition, subtraction and multiplication, lie within its reach; which of them runs is up to the gate.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.init import normal


class ArithmeticUnit(nn.Cell):
    """(operands (M, X), gate (M, H), readout (H, C)) -> logits (M, C) over the numbers."""

    def __init__(self, operand_dim: int, hidden_dim: int, code_dim: int, rng: np.random.Generator):
        super().__init__()
        self.views_XG = normal(rng, (operand_dim, 2 * hidden_dim))  # A and B side by side: G = 2H
        self.output_HV = normal(rng, (hidden_dim, code_dim))
        self.halves = ops.Split(1, 2)

    def readout(self, codes_CV):
        """C codes^T, (H, C): the same for all statements, so made once for all of them."""
        return ops.matmul(self.output_HV, codes_CV.T)

    def construct(self, operands_MX, gate_MH, readout_HC):
        left_MH, right_MH = self.halves(ops.matmul(operands_MX, self.views_XG))
        return ops.matmul(left_MH * right_MH * gate_MH, readout_HC)
