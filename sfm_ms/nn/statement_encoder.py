"""Turns the tokens of a statement into what its execution needs: which slots to look up, what to compute, where to write.

All of it is learned. Every token has an address in the slot bank and a share `is_held`: a token that names a variable
stands for what its slot holds, a number for its own code, a symbol for a learned vector. The write address points at
one token of the statement.

Shapes: M statements, W tokens a statement, N slots, C numbers, V width of a code, D tokens in the vocabulary,
I instruction width, H products of the arithmetic unit.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.nn.init import normal, zeros
from sfm_ms.nn.slot_bank import unit_keys
from sfm_ms.recipe.schema import StateTrackerModel

# Scales of what goes into a softmax or a sigmoid, so that Adam's steps of one learning rate move these choices quickly.
ADDRESS_SCALE = 3.0
IS_HELD_SCALE = 30.0
INITIAL_FORGET_BIAS = -6.0


class StatementEncoder(nn.Cell):
    """(statements (M, W) int32, codes (C, V)) -> lookup keys, constants, gate and the operands of the write."""

    def __init__(self, config: StateTrackerModel, shape, rng: np.random.Generator):
        super().__init__()
        width, vocabulary = shape.statement_width, shape.num_symbols + shape.num_numbers
        instruction_dim = config.instruction_dim
        self.width, self.forget_gate = width, config.forget_gate
        self.token_DE = normal(rng, (vocabulary, config.token_dim), std=1.0)
        self.address_DN = normal(rng, (vocabulary, config.num_slots), std=1.0)
        self.is_held_D1 = normal(rng, (vocabulary, 1), std=0.01)
        self.symbol_SV = normal(rng, (shape.num_symbols, config.value_dim), std=0.1)
        self.instruction_XI = normal(rng, (width * config.token_dim, instruction_dim))
        self.instruction_bias = zeros((instruction_dim,))
        self.gate_IH = normal(rng, (instruction_dim, config.unit_dim))
        self.gate_bias = zeros((config.unit_dim,))
        self.target_IW = normal(rng, (instruction_dim, width), std=0.1)
        self.target_bias = zeros((width,))
        self.beta_I1 = normal(rng, (instruction_dim, 1), std=0.01)
        if self.forget_gate:
            self.forget_I1 = normal(rng, (instruction_dim, 1), std=0.01)
        self.minus_infinity = Tensor(-1e4, mstype.float32)

    def addresses(self):
        """The key of every token of the vocabulary, (D, N): a softmax over slots, scaled to length 1."""
        return unit_keys(ops.softmax(ADDRESS_SCALE * self.address_DN, -1))

    def construct(self, statements_MW, codes_CV):
        num_statements = statements_MW.shape[0]
        is_padding_MW = statements_MW == 0
        tokens_MX = ops.gather(self.token_DE, statements_MW, 0).reshape(num_statements, -1)
        instruction_MI = ops.relu(ops.matmul(tokens_MX, self.instruction_XI) + self.instruction_bias)

        addresses_DN = self.addresses()
        is_held_D1 = ops.sigmoid(IS_HELD_SCALE * self.is_held_D1)
        constants_DV = (1 - is_held_D1) * ops.concat((self.symbol_SV, codes_CV), 0)
        lookup_MWN = ops.gather(is_held_D1 * addresses_DN, statements_MW, 0)
        constants_MX = ops.gather(constants_DV, statements_MW, 0).reshape(num_statements, -1)
        gate_MH = 2 * ops.sigmoid(ops.matmul(instruction_MI, self.gate_IH) + self.gate_bias)

        target_MW = ops.matmul(instruction_MI, self.target_IW) + self.target_bias
        target_MW = ops.softmax(ops.select(is_padding_MW, self.minus_infinity.broadcast_to(is_padding_MW.shape), target_MW), -1)
        address_M1N = ops.bmm(target_MW.expand_dims(1), ops.gather(addresses_DN, statements_MW, 0))
        write_key_MN = unit_keys(address_M1N.reshape(num_statements, -1))
        is_statement_M1 = (statements_MW[:, :1] > 0).astype(mstype.float32)  # padding writes and forgets nothing
        beta_M1 = 2 * ops.sigmoid(ops.matmul(instruction_MI, self.beta_I1)) * is_statement_M1
        return lookup_MWN, constants_MX, gate_MH, write_key_MN, beta_M1, self.decay(instruction_MI, is_statement_M1)

    def decay(self, instruction_MI, is_statement_M1):
        """a in (0, 1] for all slots, or 1 where the recipe has no forget gate."""
        if not self.forget_gate:
            return ops.ones_like(is_statement_M1)
        log_decay_M1 = -ops.softplus(ops.matmul(instruction_MI, self.forget_I1) + INITIAL_FORGET_BIAS)
        return ops.exp(log_decay_M1 * is_statement_M1)
