"""System 2, execution: runs the statements of a text one after the other over a bank of slots.

Every operand of a statement has an address in the bank, made of its tokens alone, by which it is read and written. A statement
reads what its operands hold, computes for a few ticks and decides by itself when it halts; each tick multiplies two views of what
was read and writes a result to one of the addresses by the gated delta rule (nn/slot_bank.py):

    address m  k_m = unit(o_m K)                     o_m: the tokens of operand m
    read       r = norm(sum over m of sigmoid(o_m g) S^T k_m R_m + o_m E_m)
    tick       h <- h + ((r A + n A') * (r B + n B') * norm(w) G) C        n = norm(h), w: the tokens of no operand
    write      S <- a (I - beta k k^T) S + beta k v^T        k = unit(sum over m of softmax(n P)_m k_m)

All ticks compute with what was read before the first write: what `a` holds in `a = a + b` stays what it was while a changes.
Which products count is up to the statement's keywords and operators alone, as in nn/arithmetic_unit.py. In a write beta is in
[0, 2] and a = cos(angle) in [-1, 1]: its eigenvalues, a and a (1 - beta), lie in [-1, 1], signs included (Grazzi et al. 2025,
"Unlocking State-Tracking in Linear RNNs"); two ticks can swap what two slots hold. As a name is read and written by one address,
what was written is found again before anything has been learned. A value is made of symbols, each a softmax distribution over a
few choices, and a target is chosen by one as well: both are chosen anew at every write, so errors do not pile up along a text.

Shapes: B rows, T tokens, S statements, J ticks, C width of a statement, D width of a token, M operands, N slots, V width of a
slot, U products of a tick, P = S + 1 places.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.nn.halting import tick_probabilities
from sfm_ms.nn.init import normal, zeros
from sfm_ms.nn.linear import product
from sfm_ms.nn.norm import RmsNorm
from sfm_ms.nn.slot_bank import read, unit_keys, write

SYMBOL_CHOICES = 16  # numbers of a slot that are the chances of one symbol
PRODUCTS = 2  # of a tick, for each number of a statement's vector
SYMBOL_STD = 3.0  # of the logits over a symbol's choices in a fresh model: results begin with symbols of their own
# In a fresh model, as shares of what keeps the variance: what an operand holds is heard above its name, what came out before
# is a small part of what is multiplied, and products a small part of what comes out.
HELD_STD, BEFORE_STD, RESULT_STD = 1.5, 0.3, 0.15
INITIAL_HALT = -1.0  # logit: most statements begin with all their ticks, as what does not run does not learn


class ExecutionSystem(nn.Cell):
    """(statements (B, S, C), words (B, S, 1 + M, D), is_statement (B, S), slots (B, N, V))
    -> (y (B, S, C), ticks (B, S), states (B, S, N, V), slots).

    words: of each statement, as nn/statement_reader.py has them: its keywords and operators, then its operands, 0 where it has
    fewer. ticks: the expected number, 1 for padding. states: the slots after each statement. slots: after all of them.
    ValueError: an argument out of range.
    """

    def __init__(
        self,
        dim: int,
        token_dim: int,
        num_operands: int,
        num_slots: int,
        slot_dim: int,
        max_ticks: int,
        rng: np.random.Generator,
        halts: bool = True,
    ):
        super().__init__()
        for name, value, lowest, most in (("num_slots", num_slots, 2, None), ("max_ticks", max_ticks, 1, 8)):
            if value < lowest or (most is not None and value > most):
                limit = f"at least {lowest}" if most is None else f"{lowest} to {most}"
                raise ValueError(f"{name} of the execution system: expected {limit}, got {value}")
        if slot_dim < 1 or slot_dim % SYMBOL_CHOICES != 0:
            raise ValueError(f"slot_dim of the execution system: expected a multiple of {SYMBOL_CHOICES}, got {slot_dim}")
        self.dim, self.num_slots, self.slot_dim, self.num_ticks = dim, num_slots, slot_dim, max_ticks
        self.num_operands, self.halts = num_operands, halts and max_ticks > 1
        self.before, self.in_tick, self.of_operands, self.in_write, self.after = (RmsNorm(dim) for _ in range(5))
        self.of_operators = RmsNorm(token_dim)
        self.first_CC = normal(rng, (dim, dim))
        self.address_DN, self.is_read_D1 = normal(rng, (token_dim, num_slots)), normal(rng, (token_dim, 1), 0.1)
        self.own_XC = normal(rng, (num_operands * token_dim, dim))
        self.held_XC = normal(rng, (num_operands * slot_dim, dim), HELD_STD * (num_operands * slot_dim) ** -0.5)
        self.views_CX = normal(rng, (dim, 2 * PRODUCTS * dim))
        self.before_CX = normal(rng, (dim, 2 * PRODUCTS * dim), BEFORE_STD * dim**-0.5)
        self.gate_DU = normal(rng, (token_dim, PRODUCTS * dim))
        self.result_UC = normal(rng, (PRODUCTS * dim, dim), RESULT_STD * (PRODUCTS * dim) ** -0.5)
        self.target_JCM = normal(rng, (max_ticks, dim, num_operands), dim**-0.5)  # ticks may write to different operands
        self.value_CV, self.out_CC = normal(rng, (dim, slot_dim), SYMBOL_STD * dim**-0.5), normal(rng, (dim, dim))
        self.beta_CJ, self.angle_CJ = normal(rng, (dim, max_ticks)), normal(rng, (dim, max_ticks), 0.01)
        if self.halts:
            self.halt_C1 = normal(rng, (dim, 1), 0.01)
            self.halt_bias = zeros((1,))

    def construct(self, statements_BSC, words_BSWD, is_statement_BS, slots_BNV):
        num_rows, num_statements, dim = statements_BSC.shape
        known_SBX = self.known(statements_BSC, words_BSWD, is_statement_BS)
        size = self.num_slots * self.slot_dim
        # A loop in the graph: unrolled, it takes minutes to compile, and seven times as long to run.
        s, found_SBX = Tensor(0, mstype.int32), ops.zeros((num_statements, num_rows, dim + 1 + size))
        while s < num_statements:
            h_BC, ticks_B1, slots_BNV = self.execute(ops.gather(known_SBX, s, 0), slots_BNV)
            found_BX = ops.concat((h_BC, ticks_B1, slots_BNV.reshape(num_rows, size)), 1)
            found_SBX = ops.tensor_scatter_update(found_SBX, s.reshape(1, 1), found_BX.expand_dims(0))
            s = s + 1
        h_BSC, ticks_BS1, states_BSX = ops.split(found_SBX.transpose(1, 0, 2), [dim, 1, size], 2)
        y_BSC = product(h_BSC, self.out_CC) * is_statement_BS.expand_dims(2)
        states_BSNV = states_BSX.reshape(num_rows, num_statements, self.num_slots, self.slot_dim)
        return y_BSC, ticks_BS1.squeeze(2), states_BSNV, slots_BNV

    def known(self, statements_BSC, words_BSWD, is_statement_BS):
        """All that does not depend on the slots, side by side, (S, B, X): `execute` takes it apart."""
        num_rows, num_statements = is_statement_BS.shape
        operators_BSD, operands_BSMD = words_BSWD[:, :, 0], words_BSWD[:, :, 1:]
        first_BSC = product(self.before(statements_BSC), self.first_CC)
        gate_BSU = product(self.of_operators(operators_BSD), self.gate_DU)
        own_BSC = product(operands_BSMD.reshape(num_rows, num_statements, -1), self.own_XC)
        address_BSX = unit_keys(product(operands_BSMD, self.address_DN)).reshape(num_rows, num_statements, -1)
        is_read_BSM = ops.sigmoid(product(operands_BSMD, self.is_read_D1)).squeeze(3)
        known = (first_BSC, gate_BSU, own_BSC, is_statement_BS.expand_dims(2), is_read_BSM, address_BSX)
        return ops.concat(known, 2).transpose(1, 0, 2)

    def execute(self, known_BX, slots_BNV):
        """One statement -> what came out (B, C), expected ticks (B, 1), the slots after it; padding leaves them alone."""
        sizes = [self.dim, PRODUCTS * self.dim, self.dim, 1, self.num_operands, self.num_operands * self.num_slots]
        h_BC, gate_BU, own_BC, is_statement_B1, is_read_BM, address_BX = ops.split(known_BX, sizes, 1)
        address_BMN = address_BX.reshape(-1, self.num_operands, self.num_slots)
        held_BMV = read(slots_BNV, is_read_BM.expand_dims(2) * address_BMN)
        views_BX = self.views(held_BMV, own_BC)
        results, banks, halt_logits = [], [], []
        for tick in range(self.num_ticks):
            h_BC = h_BC + self.compute(h_BC, gate_BU, views_BX)
            slots_BNV = write(slots_BNV, *self.to_write(h_BC, address_BMN, is_statement_B1, tick))
            results.append(h_BC)
            banks.append(slots_BNV)
            if self.halts and tick < self.num_ticks - 1:
                halt_logits.append(product(h_BC, self.halt_C1) + self.halt_bias + INITIAL_HALT)
        last, reached = tick_probabilities(halt_logits, ops.ones_like(is_statement_B1), self.num_ticks)
        if self.halts:
            h_BC = sum([last[tick] * results[tick] for tick in range(self.num_ticks)])
            slots_BNV = sum([last[tick].expand_dims(2) * banks[tick] for tick in range(self.num_ticks)])
        return self.after(h_BC), 1 + (sum(reached) - 1) * is_statement_B1, slots_BNV

    def views(self, held_BMV, own_BC):
        """Two of the operands, (B, 2 U): of their names and of what they hold."""
        r_BC = self.of_operands(product(held_BMV.reshape(own_BC.shape[0], -1), self.held_XC) + own_BC)
        return product(r_BC, self.views_CX)

    def compute(self, h_BC, gate_BU, views_BX):
        views_BX = views_BX + product(self.in_tick(h_BC), self.before_CX)
        left_BU, right_BU = ops.split(views_BX, gate_BU.shape[1], 1)
        return product(left_BU * right_BU * gate_BU, self.result_UC)

    def to_write(self, h_BC, address_BMN, is_statement_B1, tick: int):
        """key (B, N), beta (B, 1), value (B, V), decay (B, 1); padding writes nothing."""
        n_BC = self.in_write(h_BC)
        target_B1M = ops.softmax(product(n_BC, self.target_JCM[tick]), -1).expand_dims(1)
        key_BN = unit_keys(ops.bmm(target_B1M, address_BMN).squeeze(1))
        beta_B1 = 2 * ops.sigmoid(product(n_BC, self.beta_CJ[:, tick : tick + 1])) * is_statement_B1
        decay_B1 = ops.cos(product(n_BC, self.angle_CJ[:, tick : tick + 1]) * is_statement_B1)
        value_BV = ops.softmax(product(n_BC, self.value_CV).reshape(h_BC.shape[0], -1, SYMBOL_CHOICES), -1)
        # A symbol that is certain is as large as what has been normalised.
        value_BV = SYMBOL_CHOICES**0.5 * value_BV.reshape(h_BC.shape[0], self.slot_dim)
        return key_BN, beta_B1, value_BV, decay_B1

    def flops(self, num_statements: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass for one text."""
        bank, num_operands = self.num_slots * self.slot_dim, self.num_operands
        once = self.first_CC.size + self.gate_DU.size + self.own_XC.size + self.views_CX.size + self.out_CC.size
        once += num_operands * (self.address_DN.size + self.is_read_D1.size + bank) + self.held_XC.size
        compute = self.before_CX.size + self.result_UC.size
        of_write = self.target_JCM[0].size + num_operands * self.num_slots + self.value_CV.size + 3 * bank
        return 2 * num_statements * (once + self.num_ticks * (compute + of_write))

    def begin(self, num_rows: int) -> tuple:
        """The slots of `num_rows` texts before their first statement, empty, and what came out of a last statement: nothing."""
        return ops.zeros((num_rows, self.num_slots, self.slot_dim)), ops.zeros((num_rows, self.dim))


class SlotReader(nn.Cell):
    """(x (B, T, D), hears (B, T, P), slots (B, P, N, V)) -> what each token reads (B, T, V).

    `hears` is that of nn/statement_places.py, `slots` are those before the piece, then those after each of its statements.
    """

    def __init__(self, dim: int, num_slots: int, slot_dim: int, rng: np.random.Generator):
        super().__init__()
        self.num_slots, self.slot_dim = num_slots, slot_dim
        self.norm = RmsNorm(dim)
        self.ask_DN = normal(rng, (dim, num_slots))

    def construct(self, x_BTD, hears_BTP, slots_BPNV):
        num_rows, num_tokens, num_places = hears_BTP.shape
        key_BTN = unit_keys(product(self.norm(x_BTD), self.ask_DN))
        key_BTX = (hears_BTP.expand_dims(3) * key_BTN.expand_dims(2)).reshape(num_rows, num_tokens, num_places * self.num_slots)
        return ops.bmm(key_BTX, slots_BPNV.reshape(num_rows, num_places * self.num_slots, self.slot_dim))

    def flops(self, num_tokens: int, num_statements: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass for one piece of a text."""
        return 2 * num_tokens * (self.ask_DN.size + (num_statements + 1) * self.num_slots * self.slot_dim)
