"""Turns the tokens of a statement into what its execution needs: which slots to look up, what to compute, where to write.

The classes of tokens that a lexer tells apart have a part each. A name stands for what its slot holds; a number stands
for itself; the symbols say what to do, so what is learned of some names and numbers holds for all. Learned are the
addresses of the names in the slot bank and all that the symbols say: what to compute, where to write (to one of the
statement's names), how strongly, and whether to halt, anew for every tick.

Shapes: M statements, W tokens a statement, J ticks a statement, L = M J ticks of all statements (those of one statement
follow each other), D tokens in the vocabulary, S of them symbols, A names and C numbers, E width of a symbol, I
instruction width, N slots, V width of a code, H products of the arithmetic unit.
"""

from __future__ import annotations

import numpy as np
from mindspore import dtype as mstype
from mindspore import nn, ops

from sfm_ms.nn.attention import MASKED
from sfm_ms.nn.init import normal, spread_table, table, zeros
from sfm_ms.nn.slot_bank import unit_keys
from sfm_ms.nn.softplus import softplus
from sfm_ms.recipe.schema import StateTrackerModel

ADDRESS_SCALE = 6.0  # makes the softmax over slots sharp, and Adam's steps in it large
# Logits to start from: nearly all ticks run, as what does not run does not learn, and write; next to nothing is forgotten.
INITIAL_HALT, INITIAL_WRITE, INITIAL_FORGET = -3.0, 2.0, -6.0


class StatementEncoder(nn.Cell):
    """(statements (M, W) int32, codes (C, V)) -> what their execution needs.

    Two details keep training out of traps. Names start at slots of their own: where two share one they overwrite each
    other, and hardly ever part. And what one kind of statement learns must not be forced on the others: features of both
    signs (tanh) and write addresses without a bias keep rare statements, such as swaps, free to write elsewhere.

    For each statement the keys of its lookups (M, W, N) and its constants (M, W V); for each tick the gate (L, H), the write
    key (L, N), the logit of beta (L, 1) and, with a forget gate, the decay (L, 1); for each tick but a statement's last one
    the logit of halting after it (., 1).
    """

    def __init__(self, config: StateTrackerModel, shape, rng: np.random.Generator):
        super().__init__()
        width, instruction_dim, num_ticks = shape.statement_width, config.instruction_dim, config.max_ticks
        self.width, self.num_ticks, self.forget_gate = width, num_ticks, config.forget_gate
        self.num_symbols, self.num_names, self.num_numbers = shape.num_symbols, shape.num_names, shape.num_numbers
        self.symbol_SE = table(rng, (shape.num_symbols, config.token_dim), std=1.0)
        self.symbol_SV = table(rng, (shape.num_symbols, config.value_dim), std=0.1)
        self.address_AN = spread_table(rng, (shape.num_names, config.num_slots), std=0.1)
        self.instruction_XI = normal(rng, (width * config.token_dim, instruction_dim))
        self.instruction_bias = zeros((instruction_dim,))
        self.gate_IG = normal(rng, (instruction_dim, num_ticks * config.unit_dim))
        self.gate_bias = zeros((num_ticks * config.unit_dim,))
        self.target_IG = normal(rng, (instruction_dim, num_ticks * width), std=0.1)
        self.beta_IJ = normal(rng, (instruction_dim, num_ticks), std=0.01)
        self.halts = config.halting == "learned" and num_ticks > 1
        if self.halts:
            self.halt_IJ = normal(rng, (instruction_dim, num_ticks - 1), std=0.01)
        if self.forget_gate:
            self.forget_IJ = normal(rng, (instruction_dim, num_ticks), std=0.01)

    def addresses(self):
        """The key of every token, (D, N): for names a softmax over slots, scaled to length 1; for others 0."""
        keys_AN = unit_keys(ops.softmax(ADDRESS_SCALE * self.address_AN, -1))
        return rows_between(self.num_symbols, keys_AN, self.num_numbers)

    def construct(self, statements_MW, codes_CV):
        num_statements = statements_MW.shape[0]
        says_DE = rows_between(0, self.symbol_SE, self.num_names + self.num_numbers)
        says_MX = ops.gather(says_DE, statements_MW, 0).reshape(num_statements, -1)
        instruction_MI = ops.tanh(ops.matmul(says_MX, self.instruction_XI) + self.instruction_bias)

        lookup_MWN = ops.gather(self.addresses(), statements_MW, 0)
        constants_DV = ops.concat((rows_between(0, self.symbol_SV, self.num_names), codes_CV), 0)
        constants_MX = ops.gather(constants_DV, statements_MW, 0).reshape(num_statements, -1)

        gate_MG = 2 * ops.sigmoid(ops.matmul(instruction_MI, self.gate_IG) + self.gate_bias)
        write_key_LN = self.write_keys(instruction_MI, statements_MW, lookup_MWN)
        is_statement_M1 = (statements_MW[:, :1] > 0).astype(mstype.float32)  # padding writes and forgets nothing
        beta_MJ = ops.matmul(instruction_MI, self.beta_IJ) + INITIAL_WRITE + (1 - is_statement_M1) * MASKED
        by_tick = (gate_MG.reshape(num_statements * self.num_ticks, -1), write_key_LN, beta_MJ.reshape(-1, 1))
        decay = self.decay(instruction_MI, is_statement_M1)
        return (lookup_MWN, constants_MX), (*by_tick, *decay), self.halting(instruction_MI)

    def write_keys(self, instruction_MI, statements_MW, lookup_MWN):
        """(L, N): at each tick the address of one of the statement's names."""
        num_statements = statements_MW.shape[0]
        target_MG = ops.matmul(instruction_MI, self.target_IG)
        is_name_MW = ops.logical_and(statements_MW >= self.num_symbols, statements_MW < self.num_symbols + self.num_names)
        bias_MW = (1 - is_name_MW.astype(mstype.float32)) * MASKED
        target_MJW = target_MG.reshape(num_statements, self.num_ticks, -1) + bias_MW.expand_dims(1)
        keys_MJN = ops.bmm(ops.softmax(target_MJW, -1), lookup_MWN)
        return unit_keys(keys_MJN.reshape(num_statements * self.num_ticks, -1))

    def decay(self, instruction_MI, is_statement_M1):
        """((L, 1),): a in (0, 1] for all slots; nothing where the recipe has no forget gate."""
        if not self.forget_gate:
            return ()
        log_decay_MJ = -softplus(ops.matmul(instruction_MI, self.forget_IJ) + INITIAL_FORGET)
        return (ops.exp(log_decay_MJ * is_statement_M1).reshape(-1, 1),)

    def halting(self, instruction_MI):
        """Logits, one for each tick but the last of a statement; None where the recipe fixes the ticks."""
        return (ops.matmul(instruction_MI, self.halt_IJ) + INITIAL_HALT).reshape(-1, 1) if self.halts else None


def rows_between(num_before, table, num_after):
    """The table with rows of zeros before and after it. MindSpore 2.9's `ops.pad` has a wrong gradient on the CPU."""
    width = table.shape[1]
    parts = (ops.zeros((num_before, width)), table, ops.zeros((num_after, width)))
    return ops.concat([part for part in parts if part.shape[0] > 0], 0)
