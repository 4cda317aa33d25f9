"""The bridge between the systems: a shared space with a vector for each statement, to which every system adds its words.

Perception puts its tokens' statements in; Structure, Execution and Meta, one after the other, read the sum so far and add to it;
and every token hears what has been said of the last statement that is complete with it, and what it reads from the slots:

    x <- x + gain * ((silu(norm(x) G) * (norm(heard) U)) O)        gain = 0 in a fresh model

so that a fresh State-Flow Machine is exactly its Perception system. All of this is causal, and linear in the text's length.

Shapes: B rows, T tokens, S statements, R = S + 1 places (nn/statement_places.py), D width of tokens, C of the shared space, V of
a slot.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.init import normal, zeros
from sfm_ms.nn.linear import matrices, product
from sfm_ms.nn.norm import RmsNorm
from sfm_ms.nn.statement_pool import StatementPool

NUM_POOL_HEADS = 8


class CrossSystemBridge(nn.Cell):
    """One exchange. `tell` takes tokens to statements, `construct` brings what was said of statements back to the tokens.

    (x (B, T, D), said (B, S, C), before (B, C), hears (B, T, R), held (B, T, V) or None) -> (x, before): `before` is what was
    said of the last statement of the pieces before, `held` what tokens read from the slots; slot_dim is 0 where there are none.
    """

    def __init__(self, dim: int, shared_dim: int, slot_dim: int, rng: np.random.Generator):
        super().__init__()
        self.shared_dim = shared_dim
        self.pool = StatementPool(dim, shared_dim, NUM_POOL_HEADS, rng)
        self.norm, self.of_heard = RmsNorm(dim), RmsNorm(shared_dim)
        self.gate_DC, self.up_CC = normal(rng, (dim, shared_dim)), normal(rng, (shared_dim, shared_dim))
        self.held_VC = normal(rng, (slot_dim, shared_dim)) if slot_dim > 0 else None
        self.out_CD = normal(rng, (shared_dim, dim))
        self.gain_D = zeros((dim,))

    def tell(self, x_BTD, member_BRT, is_unfinished_BR, sums_BPF):
        """-> Perception's words on each statement (B, S, C), and the sums of the one that is not complete."""
        return self.pool(x_BTD, member_BRT, is_unfinished_BR, sums_BPF)

    def construct(self, x_BTD, said_BSC, before_BC, hears_BTR, held_BTV):
        said_BRC = ops.concat((before_BC.expand_dims(1), said_BSC), 1)
        heard_BTC = ops.bmm(hears_BTR, product(self.of_heard(said_BRC), self.up_CC))
        if held_BTV is not None:
            heard_BTC = heard_BTC + product(held_BTV, self.held_VC)
        gate_BTC = product(self.norm(x_BTD), self.gate_DC)
        change_BTD = product(gate_BTC * ops.sigmoid(gate_BTC) * heard_BTC, self.out_CD)
        last_B1R = hears_BTR[:, -1:]
        return x_BTD + self.gain_D * change_BTD, ops.bmm(last_B1R, said_BRC).squeeze(1)

    def flops(self, num_tokens: int, num_statements: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass for one piece of a text."""
        of_token = sum(matrix.size for matrix in matrices(self)) - self.up_CC.size
        between = 2 * num_tokens * (num_statements + 1) * self.shared_dim  # into the statements, and back
        return 2 * (num_tokens * of_token + num_statements * self.up_CC.size + between)

    def begin(self, num_rows: int) -> tuple:
        """The pool's sums and `before` of `num_rows` texts before their first token."""
        return self.pool.begin(num_rows), ops.zeros((num_rows, self.shared_dim))
