"""The state tracker: executes a program on a bank of slots and reads the asked variable's slot.

Shapes: B programs, T statements of a segment, W tokens a statement, Q questions a program, N slots, C numbers.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

from sfm_ms.nn.slot_bank import read
from sfm_ms.recipe.schema import StateTrackerModel
from sfm_ms.systems.program_execution import ProgramExecution


class StateTracker(nn.Cell):
    """(statements (B, T, W) int32, questions (B, Q) int32, slots (B, N, C))
    -> log-probabilities (B, T, Q, C), expected ticks (B, T), slots (B, N, C).

    A question is the token of a variable; it is asked after every statement. Slots start empty (`initial_state`) and
    may be passed on to the program's next segment. `shape` is the task's InputShape.
    """

    carries_state = True

    def __init__(self, config: StateTrackerModel, shape, seed: int):
        super().__init__()
        self.num_slots, self.num_numbers = config.num_slots, shape.num_numbers
        self.execution = ProgramExecution(config, shape, np.random.default_rng(seed))

    def initial_state(self, num_programs: int) -> Tensor:
        """Empty slots, (B, N, C)."""
        return Tensor(np.zeros((num_programs, self.num_slots, self.num_numbers), np.float32))

    def construct(self, statements_BTW, questions_BQ, slots_BNC):
        states_BTNC, ticks_BT = self.execution(statements_BTW, slots_BNC)
        return self.read_out(states_BTNC, questions_BQ)[0], ticks_BT, states_BTNC[:, -1]

    def read_out(self, states_BTNC, questions_BQ):
        """Log-probabilities (B, T, Q, C) of what the slots hold for the questions, and the questions' keys (B, Q, N)."""
        num_programs, num_statements = states_BTNC.shape[:2]
        num_questions = questions_BQ.shape[1]
        keys_BQN = ops.gather(self.execution.encoder.addresses(), questions_BQ, 0)
        keys_BTQN = ops.tile(keys_BQN.expand_dims(1), (1, num_statements, 1, 1))
        held = read(
            states_BTNC.reshape(num_programs * num_statements, self.num_slots, self.num_numbers),
            keys_BTQN.reshape(num_programs * num_statements, num_questions, self.num_slots),
        )
        # What a key reads is a distribution but for overlaps between keys and beta != 1. What is missing to a sum of 1 is
        # unknown, so spread evenly: a weak write is no good answer. Then scaled to sum 1, floored for the log.
        held = ops.relu(held)
        unknown = ops.relu(1 - held.sum(-1, keepdims=True))
        held = held + unknown / self.num_numbers + 1e-6
        log_probabilities = ops.log(held / held.sum(-1, keepdims=True))
        log_probabilities = log_probabilities.reshape(num_programs, num_statements, num_questions, self.num_numbers)
        return log_probabilities, keys_BQN

    def flops(self, num_statements: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass for one program and one question."""
        encoder, unit, num_ticks = self.execution.encoder, self.execution.unit, self.execution.num_ticks
        codes_CV = self.num_numbers * unit.output_HV.shape[1]
        encode = sum(weight.size for weight in (encoder.instruction_XI, encoder.gate_IG, encoder.target_IG, encoder.beta_IJ))
        look_up = encoder.width * (self.num_slots * self.num_numbers + codes_CV) + unit.views_XG.size
        use_register = self.num_numbers * unit.views_XG.shape[1]
        compute = unit.output_HV.shape[0] * self.num_numbers + unit.choice_HK.size
        change = self.num_slots * self.num_numbers * (2 + self.execution.halts)
        ask = self.num_slots * self.num_numbers
        tick = compute + change
        return 2 * num_statements * (encode + look_up + num_ticks * tick + (num_ticks - 1) * use_register + ask)

    def activations(self, num_statements: int) -> int:
        """Numbers the backward pass keeps for one program: the operands of every product of a statement, and its states."""
        encoder, unit, num_ticks = self.execution.encoder, self.execution.unit, self.execution.num_ticks
        encode = encoder.instruction_XI.size // encoder.instruction_XI.shape[1] + encoder.instruction_XI.shape[1]
        look_up = encoder.width * (self.num_slots + self.num_numbers) + unit.views_XG.shape[0]
        compute = 2 * unit.views_XG.shape[1] + self.num_numbers  # both views, their product, the gate; the result
        change = 2 * self.num_slots * self.num_numbers + self.num_slots  # the slots before and after, the key
        return num_statements * (encode + look_up + num_ticks * (compute + change))
