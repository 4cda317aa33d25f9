"""System 4, meta: a recurrent controller over statements, with a memory, a register of hypotheses and a stack of plans.

    u = silu(norm(x) W_x + h U + b)        commands = u W_c + c        h: what was read at the statement before
    memory by the gated delta rule, register by confidence, stack by push, pop or stay; each is written, then read
    h = norm(u + [read, primary, top] W_h)        y = norm([h, read, primary, top] W_y + c_y)

A statement's commands hang on what the one before read, so the system is not a linear recurrence and runs statement by
statement. What is a product of statements alone, or of what was read alone, is made for all statements at once. The chain
is the differentiable neural computer's (Graves et al. 2016), with other stores.

Shapes: B texts, S statements of a segment, D width, H heads, K = D / H, M hypotheses of E = D / 2 numbers, L cells of the
stack, P = L + 1 heights, A = 3 actions, R = 2D + E what is read, Y = D + R, Z = 2H + 1, C = Z + A chances.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.nn.delta_layer import unit
from sfm_ms.nn.hypothesis_register import HypothesisRegister
from sfm_ms.nn.init import normal
from sfm_ms.nn.linear import Linear, num_products, product
from sfm_ms.nn.norm import RmsNorm
from sfm_ms.nn.plan_stack import NUM_ACTIONS, STAY, PlanStack, straight_through
from sfm_ms.nn.slot_bank import read, write


class MetaSystem(nn.Cell):
    """(statements (B, S, D), is_statement (B, S), state) -> (y (B, S, D), state); `begin` makes the state of texts that begin.

    is_statement is 1, and 0 for the padding at a row's end, which leaves the state as it is; there y means nothing. The state
    is h (B, D), memory (B, H, K, K), hypotheses (B, M, E), cells (B, L, D), pointer (B, P). The graph has the S statements
    of one segment. With `hard_actions` the stack takes the likeliest action alone, backwards as if it took the mixture.
    In a call from outside a graph wrap the state as `mindspore.mutable(state)`: the Tensors of a plain tuple are constants to
    the compiler, which then compiles at every call.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        num_hypotheses: int,
        stack_depth: int,
        rng: np.random.Generator,
        hard_actions: bool = False,
    ):
        super().__init__()
        if dim < 2:
            raise ValueError(f"width of the meta system: expected at least 2, got {dim}")
        if num_heads < 1 or dim % num_heads != 0:
            raise ValueError(f"heads of the meta system: expected a divisor of the width {dim}, got {num_heads}")
        self.dim, self.num_heads, self.head_dim, self.hard_actions = dim, num_heads, dim // num_heads, hard_actions
        hypothesis_dim = dim // 2
        num_read = 2 * dim + hypothesis_dim
        # query, key, value, item of the stack, hypothesis; logits of the chances below
        self.sizes = [dim, dim, dim, dim, hypothesis_dim, 2 * num_heads + 1, NUM_ACTIONS]
        # beta / 2 and decay of each head, gate of the register, actions of the stack
        self.chance_sizes = [num_heads, num_heads, 1, NUM_ACTIONS]
        self.before, self.from_statement = RmsNorm(dim), Linear(dim, dim, rng)
        self.from_last_DD, self.commands = normal(rng, (dim, dim)), Linear(dim, sum(self.sizes), rng)
        self.register = HypothesisRegister(hypothesis_dim, num_hypotheses, rng)
        self.stack = PlanStack(stack_depth)
        self.from_read_RD, self.after_step = normal(rng, (num_read, dim)), RmsNorm(dim)
        self.after_memory = RmsNorm(self.head_dim)
        self.output, self.after = Linear(dim + num_read, dim, rng), RmsNorm(dim)
        # Half of a head's memory is forgotten in 7 to 700 statements, at first.
        forgotten_H = np.geomspace(0.1, 0.001, num_heads)
        self.bias_Z = Tensor(np.concatenate((0 * forgotten_H, np.log(1 / forgotten_H - 1), [0])).astype(np.float32))
        # With these chances a statement changes no store.
        self.idle_C = Tensor(np.repeat([0, 1, 0, 0, 1], [num_heads, num_heads, 1, STAY, 1]).astype(np.float32))

    def construct(self, statements_BSD, is_statement_BS, state):
        num_rows, num_statements, _ = statements_BSD.shape
        input_SBD = self.from_statement(self.before(statements_BSD)).transpose(1, 0, 2)
        is_statement_SB1 = is_statement_BS.transpose(1, 0).expand_dims(2)
        # A loop in the graph, as in systems/execution.py; a tuple cannot be carried around it.
        last_BD, memory_BHKK, hypotheses_BME, cells_BLD, pointer_BP = state
        s, seen_SBY = Tensor(0, mstype.int32), ops.zeros((num_statements, num_rows, self.output.in_dim))
        while s < num_statements:
            read_BR, last_BD, memory_BHKK, hypotheses_BME, cells_BLD, pointer_BP = self.step(
                ops.gather(input_SBD, s, 0),
                ops.gather(is_statement_SB1, s, 0),
                (last_BD, memory_BHKK, hypotheses_BME, cells_BLD, pointer_BP),
            )
            seen_BY = ops.concat((last_BD, read_BR), 1)
            seen_SBY = ops.tensor_scatter_update(seen_SBY, s.reshape(1, 1), seen_BY.expand_dims(0))
            s = s + 1
        y_BSD = self.after(self.output(seen_SBY.transpose(1, 0, 2)))
        return y_BSD, (last_BD, memory_BHKK, hypotheses_BME, cells_BLD, pointer_BP)

    def step(self, input_BD, is_statement_B1, state):
        """One statement -> what was read (B, R), and the state after it."""
        last_BD, memory_BHKK, hypotheses_BME, cells_BLD, pointer_BP = state
        sum_BD = input_BD + product(last_BD, self.from_last_DD)
        u_BD = sum_BD * ops.sigmoid(sum_BD)
        q_BD, k_BD, v_BD, item_BD, candidate_BE, *logits = ops.split(self.commands(u_BD), self.sizes, 1)
        beta_BH, decay_BH, gate_B1, actions_BA = self.chances(*logits, is_statement_B1)
        memory_BHKK, read_BD = self.remember(memory_BHKK, q_BD, k_BD, v_BD, 2 * beta_BH, decay_BH)
        hypotheses_BME, primary_BE = self.register(hypotheses_BME, candidate_BE, gate_B1)
        cells_BLD, pointer_BP, top_BD = self.stack(cells_BLD, pointer_BP, actions_BA, item_BD)
        read_BR = ops.concat((read_BD, primary_BE, top_BD), 1)
        h_BD = self.after_step(u_BD + product(read_BR, self.from_read_RD))
        h_BD = last_BD + is_statement_B1 * (h_BD - last_BD)
        return read_BR, h_BD, memory_BHKK, hypotheses_BME, cells_BLD, pointer_BP

    def chances(self, logits_BZ, logits_BA, is_statement_B1):
        """beta / 2, decay, gate and the stack's actions; the idle ones where there is no statement."""
        actions_BA = ops.softmax(logits_BA, -1)
        if self.hard_actions:
            actions_BA = straight_through(actions_BA)
        chances_BC = ops.concat((ops.sigmoid(logits_BZ + self.bias_Z), actions_BA), 1)
        return ops.split(self.idle_C + is_statement_B1 * (chances_BC - self.idle_C), self.chance_sizes, 1)

    def remember(self, memory_BHKK, q_BD, k_BD, v_BD, beta_BH, decay_BH):
        """The memory after the write, and what q reads from it, each head normalised; heads are rows of the slot bank."""
        shape, size = memory_BHKK.shape, self.head_dim
        memory_NKK = write(
            memory_BHKK.reshape(-1, size, size),
            unit(k_BD.reshape(-1, size)),
            beta_BH.reshape(-1, 1),
            v_BD.reshape(-1, size),
            decay_BH.reshape(-1, 1),
        )
        read_N1K = self.after_memory(read(memory_NKK, unit(q_BD.reshape(-1, 1, size))))
        return memory_NKK.reshape(shape), read_N1K.reshape(-1, self.dim)

    def begin(self, num_rows: int) -> tuple:
        """The state of `num_rows` texts before their first statement."""
        size = self.head_dim
        memory = ops.zeros((num_rows, self.num_heads, size, size))
        stack = self.stack.begin(num_rows, self.dim)
        return (ops.zeros((num_rows, self.dim)), memory, self.register.begin(num_rows), *stack)

    def flops(self, num_statements: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass for one text."""
        controller = num_products(self) + self.from_last_DD.size + self.from_read_RD.size
        memory = 4 * self.num_heads * self.head_dim**2  # the decay, what the key reads, the change, what the query reads
        stack = self.stack.num_products(self.dim)
        return 2 * num_statements * (controller + memory + self.register.num_products() + stack)
