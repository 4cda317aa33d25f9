"""What the state tracker's rivals share: a hidden vector after every statement, and one way to read answers from it.

Shapes: B programs, T statements of a segment, W tokens a statement, Q questions a program, D width, C numbers.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

from sfm_ms.nn.readout import Readout


class Rival(nn.Cell):
    """(statements (B, T, W) int32, questions (B, Q) int32, state) -> log-probabilities (B, T, Q, C), ticks (B, T), state.

    A model defines `hidden`, `hidden_products` and `hidden_activations`, and sets `state_size` if it has a state.
    """

    carries_state = True  # False: the model must see a whole program at once
    state_size = 1  # a number that is passed through, for the models that have no state

    def __init__(self, dim: int, shape, rng: np.random.Generator):
        super().__init__()
        self.dim = dim
        self.readout = Readout(dim, shape, rng)

    def hidden(self, statements_BTW, questions_BQ, state):
        """-> hidden vectors (B, T, D), state."""
        raise NotImplementedError

    def hidden_products(self, num_statements: int) -> int:
        """Multiply-adds of the hidden vectors of one program."""
        raise NotImplementedError

    def hidden_activations(self, num_statements: int) -> int:
        """Operands of those products."""
        raise NotImplementedError

    def initial_state(self, num_programs: int) -> Tensor:
        """All zeros, (B, state_size)."""
        return Tensor(np.zeros((num_programs, self.state_size), np.float32))

    def construct(self, statements_BTW, questions_BQ, state):
        hidden_BTD, state = self.hidden(statements_BTW, questions_BQ, state)
        return self.readout(hidden_BTD, questions_BQ), ops.ones(statements_BTW.shape[:2]), state

    def flops(self, num_statements: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass for one program and one question."""
        return 2 * (self.hidden_products(num_statements) + num_statements * self.readout.num_products())

    def activations(self, num_statements: int) -> int:
        """Numbers the backward pass keeps for one program: the operands of every product, and the answers."""
        read_out = 2 * self.dim + self.readout.output.out_dim + self.readout.bias_C.size
        return self.hidden_activations(num_statements) + num_statements * read_out
