"""Answers questions from a hidden vector.

    log softmax(relu(h W + question) P codes^T + bias)

`question` is a learned vector for each variable; the numbers have the codes that the state tracker computes with.

Shapes: B programs, T statements, Q questions, D width, S symbols and names, V width of a code, C numbers.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.init import table, zeros
from sfm_ms.nn.linear import Linear, num_products
from sfm_ms.nn.number_codes import NumberCodes

CODE_DIM = 60
OUTPUT_STD = 0.02  # small, so that a fresh model finds all numbers about equally likely


class Readout(nn.Cell):
    """(hidden (B, T, D), questions (B, Q) int32) -> log-probabilities (B, T, Q, C)."""

    def __init__(self, dim: int, shape, rng: np.random.Generator):
        super().__init__()
        self.hidden, self.output = Linear(dim, dim, rng), Linear(dim, CODE_DIM, rng, OUTPUT_STD)
        self.question_SD = table(rng, (shape.first_number, dim), std=1.0)
        self.codes = NumberCodes(shape.num_numbers, CODE_DIM, rng)
        self.bias_C = zeros((shape.num_numbers,))

    def construct(self, hidden_BTD, questions_BQ):
        question_B1QD = ops.gather(self.question_SD, questions_BQ, 0).expand_dims(1)
        asked_BTQD = ops.relu(self.hidden(hidden_BTD).expand_dims(2) + question_B1QD)
        code_BTQV = self.output(asked_BTQD)
        logits = ops.matmul(code_BTQV.reshape(-1, CODE_DIM), self.codes().T) + self.bias_C
        return ops.log_softmax(logits, -1).reshape(*code_BTQV.shape[:3], -1)

    def num_products(self) -> int:
        """Multiply-adds of one answer."""
        return num_products(self) + CODE_DIM * self.bias_C.size
