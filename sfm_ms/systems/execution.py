"""The Execution system: runs statements one after the other over a bank of slots that hold distributions over numbers.

A statement looks its tokens up, puts them through the arithmetic unit, whose softmax says which number the result is,
and writes that distribution to its target slot by the gated delta rule. Every result is thus chosen anew among C
numbers, so errors do not pile up along a program.

Shapes: B programs, T statements of a segment, W tokens a statement, N slots, C numbers, V width of a code.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.arithmetic_unit import ArithmeticUnit
from sfm_ms.nn.number_codes import NumberCodes
from sfm_ms.nn.slot_bank import read, write, write_operands
from sfm_ms.nn.statement_encoder import StatementEncoder
from sfm_ms.recipe.schema import StateTrackerModel


class ExecutionSystem(nn.Cell):
    """(statements (B, T, W) int32, slots (B, N, C)) -> slots after every statement (B, T, N, C).

    The graph has the T statements of one segment; a longer program passes through it segment by segment, the last
    slots of one being the first of the next. A statement of padding tokens (0) changes nothing.
    """

    def __init__(self, config: StateTrackerModel, shape, rng: np.random.Generator):
        super().__init__()
        self.codes = NumberCodes(shape.num_numbers, config.value_dim, rng)
        self.encoder = StatementEncoder(config, shape, rng)
        self.unit = ArithmeticUnit(shape.statement_width * config.value_dim, config.unit_dim, config.value_dim, rng)

    def construct(self, statements_BTW, slots_BNC):
        num_programs, num_statements, width = statements_BTW.shape
        codes_CV = self.codes()
        readout_HC = self.unit.readout(codes_CV)
        statements_MW = statements_BTW.reshape(num_programs * num_statements, width)
        lookup, constants, gate, write_key, beta, decay = self.encoder(statements_MW, codes_CV)
        operands = (lookup, constants, gate, *write_operands(write_key, beta, decay))
        by_statement = [self.unstack(operand, num_programs) for operand in operands]
        states = []
        for t in range(num_statements):
            lookup_BWN, constants_BX, gate_BH, erase_BNN, scaled_BN1 = [operand[t] for operand in by_statement]
            held = read(slots_BNC, lookup_BWN).reshape(num_programs * width, -1)
            operands_BX = constants_BX + ops.matmul(held, codes_CV).reshape(num_programs, -1)
            result_BC = ops.softmax(self.unit(operands_BX, gate_BH, readout_HC), -1)
            slots_BNC = write(slots_BNC, erase_BNN, scaled_BN1, result_BC)
            states.append(slots_BNC)
        return ops.stack(states, 1)

    def unstack(self, operand_MX, num_programs):
        """(B * T, ...) -> T times (B, ...): indexing one statement after the other would copy the whole at each."""
        shape = operand_MX.shape
        return ops.unbind(operand_MX.reshape((num_programs, shape[0] // num_programs, *shape[1:])), 1)
