"""The Execution system: runs statements one after the other over a bank of slots that hold distributions over numbers.

A statement looks its tokens up once. Then, tick by tick, it puts them and the result of the tick before through the
arithmetic unit, whose softmax says which number the result is, and writes that distribution to the tick's target slot by
the gated delta rule. How strongly it writes and whether it halts may hang on the operands: a conditional assignment is a
write whose beta is the outcome of a comparison. With beta at most 1 what a slot holds stays a distribution, or part of
one. Every result is chosen anew among C numbers, so errors do not pile up along a program.

Shapes: B programs, T statements of a segment, W tokens a statement, J ticks a statement, N slots, C numbers, V width of a
code, G both views of the arithmetic unit, H its products.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.arithmetic_unit import ArithmeticUnit
from sfm_ms.nn.halting import tick_probabilities
from sfm_ms.nn.number_codes import NumberCodes
from sfm_ms.nn.slot_bank import read, write
from sfm_ms.nn.statement_encoder import StatementEncoder
from sfm_ms.recipe.schema import StateTrackerModel


class ProgramExecution(nn.Cell):
    """(statements (B, T, W) int32, slots (B, N, C)) -> slots after every statement (B, T, N, C), expected ticks (B, T).

    The graph has the T statements of one segment; a longer program passes through it segment by segment, the last
    slots of one being the first of the next. A statement of padding tokens (0) changes nothing.
    """

    def __init__(self, config: StateTrackerModel, shape, rng: np.random.Generator):
        super().__init__()
        self.num_ticks, self.erase = config.max_ticks, config.erase
        self.codes = NumberCodes(shape.num_numbers, config.value_dim, rng)
        self.encoder = StatementEncoder(config, shape, rng)
        self.halts = self.encoder.halts
        self.unit = ArithmeticUnit(
            shape.statement_width * config.value_dim,
            config.unit_dim,
            config.value_dim,
            num_choices=1 + self.halts,  # whether to write, whether to halt
            has_register=self.num_ticks > 1,
            rng=rng,
        )

    def construct(self, statements_BTW, slots_BNC):
        tables = self.tables()
        encoded = self.encode(statements_BTW, tables[0])
        states, ticks = [], []
        for t in range(statements_BTW.shape[1]):
            slots_BNC, _, _, reached = self.execute(t, encoded, slots_BNC, tables)
            states.append(slots_BNC)
            ticks.append(sum(reached))
        return ops.stack(states, 1), ops.concat(ticks, 1)

    def tables(self):
        """What is the same for all statements, so made once: codes (C, V), readout (H, C), views of the register (C, G)."""
        codes_CV = self.codes()
        return codes_CV, self.unit.readout(codes_CV), self.unit.register_views(codes_CV) if self.num_ticks > 1 else None

    def encode(self, statements_BTW, codes_CV):
        """What the statements need, as lists of (B, ...): by statement, by tick (J for each statement), and for halting."""
        num_programs, num_statements, width = statements_BTW.shape
        statements_MW = statements_BTW.reshape(num_programs * num_statements, width)
        by_statement, by_tick, halt = self.encoder(statements_MW, codes_CV)
        return (
            [self.unstack(operand, num_programs) for operand in by_statement],
            [self.unstack(operand, num_programs) for operand in by_tick],
            self.unstack(halt, num_programs) if self.halts else [],
        )

    def unstack(self, rows, num_programs):
        """(B * n, ...) -> n times (B, ...): indexing one statement after the other would copy the whole at each."""
        shape = rows.shape
        return ops.unbind(rows.reshape((num_programs, shape[0] // num_programs, *shape[1:])), 1)

    def execute(self, t, encoded, slots_BNC, tables):
        """Statement t -> slots after it; of each tick the result (B, C), beta (B, 1) and the chance that it runs (B, 1)."""
        codes_CV, readout_HC, register_CG = tables
        by_statement, by_tick, halt = encoded
        lookup_BWN, constants_BX = [operand[t] for operand in by_statement]
        num_programs = constants_BX.shape[0]
        held_MC = read(slots_BNC, lookup_BWN).reshape(-1, codes_CV.shape[0])
        views_BG = self.unit.views(constants_BX + ops.matmul(held_MC, codes_CV).reshape(num_programs, -1))
        after_tick, results, betas, halt_logits = [], [], [], []
        for j in range(self.num_ticks):
            gate_BH, key_BN, beta_logit_B1, *decay = [operand[t * self.num_ticks + j] for operand in by_tick]
            all_views_BG = views_BG + ops.matmul(results[-1], register_CG) if j > 0 else views_BG
            logits_BC, choices_BK = self.unit(all_views_BG, gate_BH, readout_HC)
            results.append(ops.softmax(logits_BC, -1))
            betas.append(ops.sigmoid(beta_logit_B1 + choices_BK[:, :1]))
            slots_BNC = write(slots_BNC, key_BN, betas[-1], results[-1], *decay, erase=self.erase)
            after_tick.append(slots_BNC)
            if self.halts and j < self.num_ticks - 1:
                halt_logits.append(halt[t * (self.num_ticks - 1) + j] + choices_BK[:, 1:])
        last, reached = tick_probabilities(halt_logits, ops.ones_like(constants_BX[:, :1]), self.num_ticks)
        if self.halts:
            slots_BNC = sum([last[j].expand_dims(2) * after_tick[j] for j in range(self.num_ticks)])
        return slots_BNC, results, betas, reached
