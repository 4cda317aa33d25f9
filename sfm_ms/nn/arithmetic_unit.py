"""A bilinear layer whose products are gated by an instruction: the model's arithmetic, learned from examples.

    h = (x A + r A') * (x B + r B') * gate        logits = (h C) codes^T        choices = h D

Every hidden number is a product of two learned views of the operands x and of the register r, which holds the result of
the tick before. Sums of angles (nn/number_codes.py), and with them addition, subtraction and multiplication, lie within
its reach; which of them runs is up to the gate. The choices, whether to write and whether to halt, may thus hang on a
comparison of operands.

Shapes: B programs, X width of all operands, G = 2H both views side by side, H products, C numbers, V width of a code, K
choices.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.init import normal


class ArithmeticUnit(nn.Cell):
    """(views (B, G), gate (B, H), readout (H, C)) -> logits (B, C) over the numbers, choices (B, K).

    The other methods make its inputs.
    """

    def __init__(
        self, operand_dim: int, hidden_dim: int, code_dim: int, num_choices: int, has_register: bool, rng: np.random.Generator
    ):
        super().__init__()
        self.views_XG = normal(rng, (operand_dim, 2 * hidden_dim))
        self.output_HV = normal(rng, (hidden_dim, code_dim))
        self.choice_HK = normal(rng, (hidden_dim, num_choices), std=0.01)
        self.register_VG = normal(rng, (code_dim, 2 * hidden_dim)) if has_register else None
        self.halves = ops.Split(1, 2)

    def views(self, operands_BX):
        return ops.matmul(operands_BX, self.views_XG)

    def register_views(self, codes_CV):
        """The views of every number in the register, (C, G): the same for all statements, so made once for all of them."""
        return ops.matmul(codes_CV, self.register_VG)

    def readout(self, codes_CV):
        """C codes^T, (H, C), likewise made once."""
        return ops.matmul(self.output_HV, codes_CV.T)

    def construct(self, views_BG, gate_BH, readout_HC):
        left_BH, right_BH = self.halves(views_BG)
        products_BH = left_BH * right_BH * gate_BH
        return ops.matmul(products_BH, readout_HC), ops.matmul(products_BH, self.choice_HK)
