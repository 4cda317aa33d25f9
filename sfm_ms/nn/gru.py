"""A gated recurrent unit over statements.

    r, u = sigmoid(x W + h U + b)        n = tanh(x W_n + b_n + r * (h U_n + c_n))        h <- h + u * (n - h)

It is that of Cho et al. 2014 with the reset gate r after the recurrent product, as cuDNN has it: one product a step.

Shapes: B programs, T statements of a segment, D width, G = 3D the two gates and the candidate side by side.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.linear import Linear


class Gru(nn.Cell):
    """(x (B, T, D), is_statement (B, T), h (B, D)) -> h after every statement (B, T, D), last h; padding keeps h."""

    def __init__(self, dim: int, rng: np.random.Generator):
        super().__init__()
        self.from_input, self.from_hidden = Linear(dim, 3 * dim, rng), Linear(dim, 3 * dim, rng)
        self.gates = ops.Split(1, 3)

    def construct(self, x_BTD, is_statement_BT, h_BD):
        inputs = ops.unbind(self.from_input(x_BTD), 1)
        is_statement = ops.unbind(is_statement_BT.expand_dims(2), 1)
        states = []
        for t in range(len(inputs)):
            h_BD = h_BD + is_statement[t] * self.change(inputs[t], h_BD)
            states.append(h_BD)
        return ops.stack(states, 1), h_BD

    def change(self, input_BG, h_BD):
        """u * (n - h)."""
        input_reset, input_update, input_candidate = self.gates(input_BG)
        hidden_reset, hidden_update, hidden_candidate = self.gates(self.from_hidden(h_BD))
        reset = ops.sigmoid(input_reset + hidden_reset)
        candidate = ops.tanh(input_candidate + reset * hidden_candidate)
        return ops.sigmoid(input_update + hidden_update) * (candidate - h_BD)
