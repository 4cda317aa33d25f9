"""System 2, execution: runs the statements of a text one after the other over a bank of slots.

A statement asks the slots for what its names hold, computes with it for a few ticks, each tick asking anew, decides by itself
when it halts, and writes its result by the gated delta rule (nn/slot_bank.py):

    tick    r = S^T keys(h)        h <- h + (silu([n, r] A) * ([n, r] B)) C        n = norm(h)
    write   S <- a (I - beta k k^T) S + beta k v^T        beta in [0, 2]        a = cos(angle) in [-1, 1]

Keys are softmax distributions over the slots, scaled to length 1, so one sees which slot a statement reads and writes. A write's
eigenvalues, a and a (1 - beta), lie in [-1, 1], signs included (Grazzi et al. 2025, "Unlocking State-Tracking in Linear RNNs").
As all writes are known then, the tokens read at once what the slots hold after the last statement that is complete with them.

Shapes: B rows, T tokens, S statements, J ticks, C width of a statement, D width of a token, N slots, V width of a slot, R reads a
tick, U products.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.nn.halting import tick_probabilities
from sfm_ms.nn.init import normal, zeros
from sfm_ms.nn.norm import RmsNorm
from sfm_ms.nn.slot_bank import read, unit_keys, write
from sfm_ms.ops.gated_delta_rule import GatedDeltaRule

NUM_READS = 4
ADDRESS_STD = 4.0  # of the logits over slots in a fresh model: names begin with slots of their own
INITIAL_HALT = -1.0  # logit: most statements begin with all their ticks, as what does not run does not learn
SMALLEST_DECAY = 1e-4  # below it a sign has no logarithm


class ExecutionSystem(nn.Cell):
    """(statements (B, S, C), is_statement (B, S), slots (B, N, V)) -> (y (B, S, C), writes, ticks (B, S), slots).

    writes: keys (B, S, N), values (B, S, V), betas and decays (B, S, 1) and the slots before: with them a SlotReader tells what
    the slots hold. The expected ticks of padding are 1. ValueError: an argument out of range.
    """

    def __init__(self, dim: int, num_slots: int, slot_dim: int, max_ticks: int, rng: np.random.Generator, halts: bool = True):
        super().__init__()
        for name, value, lowest, most in (("num_slots", num_slots, 2, None), ("max_ticks", max_ticks, 1, 8)):
            if value < lowest or (most is not None and value > most):
                limit = f"at least {lowest}" if most is None else f"{lowest} to {most}"
                raise ValueError(f"{name} of the execution system: expected {limit}, got {value}")
        self.num_slots, self.slot_dim, self.num_ticks = num_slots, slot_dim, max_ticks
        self.halts = halts and max_ticks > 1
        self.before, self.in_tick, self.after, self.of_value = RmsNorm(dim), RmsNorm(dim), RmsNorm(dim), RmsNorm(slot_dim)
        self.first_CC = normal(rng, (dim, dim))
        self.ask_CX = normal(rng, (dim, NUM_READS * num_slots), ADDRESS_STD * dim**-0.5)
        self.views_XU = normal(rng, (dim + NUM_READS * slot_dim, 4 * dim))
        self.result_UC = normal(rng, (2 * dim, dim))
        self.key_CN = normal(rng, (dim, num_slots), ADDRESS_STD * dim**-0.5)
        self.value_CV, self.out_CC = normal(rng, (dim, slot_dim)), normal(rng, (dim, dim))
        self.beta_C1, self.angle_C1 = normal(rng, (dim, 1)), normal(rng, (dim, 1), 0.01)
        if self.halts:
            self.halt_C1 = normal(rng, (dim, 1), 0.01)
            self.halt_bias = zeros((1,))

    def construct(self, statements_BSC, is_statement_BS, slots_BNV):
        before_BNV = slots_BNV
        num_rows, num_statements, dim = statements_BSC.shape
        first_SBC = ops.matmul(self.before(statements_BSC), self.first_CC).transpose(1, 0, 2)
        is_statement_SB1 = is_statement_BS.transpose(1, 0).expand_dims(2)
        # A loop in the graph: unrolled, it takes minutes to compile, and seven times as long to run.
        s, found_SBX = Tensor(0, mstype.int32), ops.zeros((num_statements, num_rows, dim + self.num_slots + self.slot_dim + 3))
        while s < num_statements:
            is_statement_B1 = ops.gather(is_statement_SB1, s, 0)
            h_BC, ticks_B1 = self.compute(ops.gather(first_SBC, s, 0), slots_BNV, is_statement_B1)
            key_BN, value_BV, beta_B1, decay_B1 = self.to_write(h_BC, is_statement_B1)
            slots_BNV = write(slots_BNV, key_BN, beta_B1, value_BV, decay_B1)
            found_BX = ops.concat((h_BC, key_BN, value_BV, beta_B1, decay_B1, ticks_B1), 1)
            found_SBX = ops.tensor_scatter_update(found_SBX, s.reshape(1, 1), found_BX.expand_dims(0))
            s = s + 1
        sizes = [dim, self.num_slots, self.slot_dim, 1, 1, 1]
        h_BSC, *writes, ticks_BS1 = ops.split(found_SBX.transpose(1, 0, 2), sizes, 2)
        y_BSC = ops.matmul(h_BSC, self.out_CC) * is_statement_BS.expand_dims(2)
        return y_BSC, (*writes, before_BNV), ticks_BS1.squeeze(2), slots_BNV

    def compute(self, h_BC, slots_BNV, is_statement_B1):
        """What a statement comes to, normalised (B, C), and its expected ticks (B, 1)."""
        after_tick, halt_logits = [], []
        for tick in range(self.num_ticks):
            h_BC = h_BC + self.tick(h_BC, slots_BNV)
            after_tick.append(h_BC)
            if self.halts and tick < self.num_ticks - 1:
                halt_logits.append(ops.matmul(h_BC, self.halt_C1) + self.halt_bias + INITIAL_HALT)
        last, reached = tick_probabilities(halt_logits, ops.ones_like(is_statement_B1), self.num_ticks)
        if self.halts:
            h_BC = sum([last[tick] * after_tick[tick] for tick in range(self.num_ticks)])
        return self.after(h_BC), 1 + (sum(reached) - 1) * is_statement_B1

    def tick(self, h_BC, slots_BNV):
        num_rows = h_BC.shape[0]
        n_BC = self.in_tick(h_BC)
        keys_BRN = unit_keys(ops.softmax(ops.matmul(n_BC, self.ask_CX).reshape(num_rows, NUM_READS, self.num_slots), -1))
        held_BX = read(slots_BNV, keys_BRN).reshape(num_rows, -1)
        left_BU, right_BU = ops.split(ops.matmul(ops.concat((n_BC, held_BX), 1), self.views_XU), self.result_UC.shape[0], 1)
        return ops.matmul(left_BU * ops.sigmoid(left_BU) * right_BU, self.result_UC)

    def to_write(self, h_BC, is_statement_B1):
        """key (B, N), value (B, V), beta (B, 1), decay (B, 1); padding writes nothing."""
        key_BN = unit_keys(ops.softmax(ops.matmul(h_BC, self.key_CN), -1))
        beta_B1 = 2 * ops.sigmoid(ops.matmul(h_BC, self.beta_C1)) * is_statement_B1
        decay_B1 = ops.cos(ops.matmul(h_BC, self.angle_C1) * is_statement_B1)
        return key_BN, self.of_value(ops.matmul(h_BC, self.value_CV)), beta_B1, decay_B1

    def flops(self, num_statements: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass for one text."""
        bank = self.num_slots * self.slot_dim
        tick = self.ask_CX.size + self.views_XU.size + self.result_UC.size + NUM_READS * bank
        once = self.first_CC.size + self.key_CN.size + self.value_CV.size + self.out_CC.size + 3 * bank
        return 2 * num_statements * (self.num_ticks * tick + once)

    def begin(self, num_rows: int) -> tuple:
        """The slots of `num_rows` texts before their first statement: empty."""
        return (ops.zeros((num_rows, self.num_slots, self.slot_dim)),)


class SlotReader(nn.Cell):
    """(x (B, T, D), end (B, T, S), writes) -> what each token reads (B, T, V).

    `end` is that of nn/statement_places.py; `writes` are an ExecutionSystem's.
    """

    def __init__(self, dim: int, num_slots: int, slot_dim: int, rng: np.random.Generator):
        super().__init__()
        self.num_slots, self.slot_dim = num_slots, slot_dim
        self.norm = RmsNorm(dim)
        self.ask_DN = normal(rng, (dim, num_slots), ADDRESS_STD * dim**-0.5)
        self.rule = GatedDeltaRule(scale=1.0)

    def construct(self, x_BTD, end_BTS, writes):
        keys_BSN, values_BSV, betas_BS1, decays_BS1, slots_BNV = writes
        query_BTN = unit_keys(ops.softmax(ops.matmul(self.norm(x_BTD), self.ask_DN), -1))
        at_ends_BTX = ops.bmm(end_BTS, ops.concat((keys_BSN, values_BSV, betas_BS1, decays_BS1 - 1), 2))
        sizes = [self.num_slots, self.slot_dim, 1, 1]
        key_BTN, value_BTV, beta_BT1, less_BT1 = ops.split(at_ends_BTX, sizes, 2)
        decay_BT1 = 1 + less_BT1
        sign_BT1 = ops.select(decay_BT1 < 0, -ops.ones_like(decay_BT1), ops.ones_like(decay_BT1))
        log_decay_BT1 = ops.log(ops.maximum(ops.abs(decay_BT1), SMALLEST_DECAY))
        rows = [part.expand_dims(2) for part in (query_BTN, key_BTN, value_BTV)]
        read_BT1V, _ = self.rule(*rows, beta_BT1, log_decay_BT1, sign_BT1, slots_BNV.expand_dims(1))
        return read_BT1V.squeeze(2)

    def flops(self, num_tokens: int) -> int:
        """As ExecutionSystem's, but for those inside a chunk."""
        return 2 * num_tokens * (self.ask_DN.size + 3 * self.num_slots * self.slot_dim)
