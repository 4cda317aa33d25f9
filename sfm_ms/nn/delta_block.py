"""The State-Flow block of a language model: a gated delta rule in a narrow space, added to what goes from layer to layer.

    u = norm(x) W_down      q, k, v = conv(u W_qkv), q, k of length 1      g = u W_gate
    beta = 2 sigmoid(u W_beta + b)      a = tanh(z / 2), z = u W_decay + c: forgets where it is near 0, turns over where below
    x <- x + gain * ((norm(o) * silu(g)) W_up)      o: what the rule reads with q; gain = 0 in a fresh block

so that a fresh block changes nothing. beta up to 2 and a down to -1: Grazzi et al. 2025, "Unlocking State-Tracking". The gradient
with respect to log |a| is a times that with respect to a, so z learns from the exact gradient, also to change the sign of a.
The norms have no gains, as those of the matrices behind them do.

The convolution, over the last few tokens, is that of Yang et al. 2025, "Gated Delta Networks". In a fresh block queries and keys
are made alike, so that a token is found again; keys are made of the token two places before, the name of the value in `a = 5`,
and each head makes its queries of one of the last W tokens. So a name finds its value from the start: where heads began with all
pairs of places instead, small models hit on it late, some seeds not in twice the steps.

Shapes: B rows, T tokens, D width, C width inside, F = 3C, H heads, K = C / H width of a head's queries, keys and values, W tokens
of the convolution.
"""

from __future__ import annotations

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.nn.delta_layer import unit
from sfm_ms.nn.init import normal, zeros
from sfm_ms.nn.linear import matrices, product_in
from sfm_ms.nn.norm import rms_normed
from sfm_ms.nn.short_convolution import SegmentedConvolution
from sfm_ms.ops.gated_delta_rule import GatedDeltaRule

WIDTH = 4  # tokens of the convolution
NAME = 2  # places before a value, where its name is
SMALLEST = 1e-3  # added to |z|, for log |a| to be finite
FORGET_ALL = -1e30  # added to log |a|: a becomes 0
SHARES_FORGOTTEN = (1e-4, 1e-2)  # of a state, at each token, by the heads of a fresh block
FIRST_BETA_BIAS = -2.0  # beta begins around 0.24: at 1, every token would write over what the last K ones wrote


class DeltaBlock(nn.Cell):
    """(x (B, T, D), is_first (B, T), past: () or the last tokens (B, W - 1, F) and a state (B, H, K, K)) -> x, and () or those
    after the tokens.

    is_first: 1 at the first token of a text, where what was before is forgotten; else 0. Without a past the row begins with
    nothing remembered. Parameters, norms and states are float32; products are computed in `dtype`, a type of MindSpore, and the
    rule takes q, k and v in float16 where that is not float32. ValueError: the heads do not divide the width inside.
    """

    def __init__(
        self, dim: int, inner_dim: int, num_heads: int, rng: np.random.Generator, dtype=mstype.float32, chunk_size: int = 64
    ):
        super().__init__()
        if inner_dim % num_heads != 0:
            raise ValueError(f"heads of a delta block: expected a divisor of the width {inner_dim}, got {num_heads}")
        self.num_heads, self.head_dim, self.dtype = num_heads, inner_dim // num_heads, dtype
        self.type_of_rule = mstype.float32 if dtype == mstype.float32 else mstype.float16
        self.down_DC, self.up_CD = normal(rng, (dim, inner_dim)), normal(rng, (inner_dim, dim))
        self.to_rows_C4C = Parameter(Tensor(first_rows(inner_dim, rng)))
        self.to_beta_CH, self.to_decay_CH = normal(rng, (inner_dim, num_heads)), normal(rng, (inner_dim, num_heads))
        self.beta_bias_H = Parameter(Tensor(np.full(num_heads, FIRST_BETA_BIAS, np.float32)))
        share_H = np.exp(rng.uniform(*np.log(SHARES_FORGOTTEN), num_heads))
        self.decay_bias_H = Parameter(Tensor(np.log((2 - share_H) / share_H).astype(np.float32)))  # tanh(c / 2) = 1 - share
        self.gain_D = zeros((dim,))
        self.convolution = SegmentedConvolution(first_look(num_heads, self.head_dim, rng))
        self.rule = GatedDeltaRule(chunk_size=chunk_size)

    def construct(self, x_BTD, is_first_BT, past):
        u_BTC = product_in(self.dtype, rms_normed(x_BTD), self.down_DC)
        inner_dim = u_BTC.shape[2]
        rows_BTF, gate_BTC = ops.split(product_in(self.dtype, u_BTC, self.to_rows_C4C), (3 * inner_dim, inner_dim), 2)
        before_BWF = self.convolution.begin(x_BTD.shape[0]) if len(past) == 0 else past[0]
        rows_BTF, last_BWF = self.convolution(rows_BTF, is_first_BT, before_BWF)
        q_BTHK, k_BTHK, v_BTHK = [self.by_heads(part) for part in ops.split(rows_BTF, inner_dim, 2)]
        beta_BTH = 2 * ops.sigmoid(product_in(self.dtype, u_BTC, self.to_beta_CH) + self.beta_bias_H)
        log_decay_BTH, sign_BTH = signed_decay(product_in(self.dtype, u_BTC, self.to_decay_CH) + self.decay_bias_H)
        log_decay_BTH = log_decay_BTH + FORGET_ALL * is_first_BT.expand_dims(2)
        qkv = [part.astype(self.type_of_rule) for part in (unit(q_BTHK), unit(k_BTHK), v_BTHK)]
        o_BTHK, state_BHKK = self.rule(*qkv, beta_BTH, log_decay_BTH, sign_BTH, None if len(past) == 0 else past[1])
        y_BTC = rms_normed(o_BTHK.astype(mstype.float32)).reshape(u_BTC.shape) * gate_BTC * ops.sigmoid(gate_BTC)
        change_BTD = product_in(self.dtype, y_BTC, self.up_CD)
        return x_BTD + self.gain_D * change_BTD, past if len(past) == 0 else (last_BWF, state_BHKK)

    def by_heads(self, x_BTC):
        return x_BTC.reshape(x_BTC.shape[0], x_BTC.shape[1], self.num_heads, self.head_dim)

    def flops(self, num_tokens: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass; the rule's as its equation reads: it looks up a
        key, writes and reads."""
        of_rule = 3 * self.num_heads * self.head_dim**2
        return 2 * num_tokens * (sum(matrix.size for matrix in matrices(self)) + of_rule)

    def begin(self, num_rows: int) -> tuple[Tensor, ...]:
        """The past of `num_rows` texts before their first token."""
        state_BHKK = Tensor(np.zeros((num_rows, self.num_heads, self.head_dim, self.head_dim), np.float32))
        return self.convolution.begin(num_rows), state_BHKK


def first_rows(inner_dim: int, rng: np.random.Generator) -> np.ndarray:
    """For q, k, v and g of a fresh block (C, 4C): keys as queries."""
    query_CC, value_CC, gate_CC = (rng.standard_normal((3, inner_dim, inner_dim)) * inner_dim**-0.5).astype(np.float32)
    return np.concatenate((query_CC, query_CC, value_CC, gate_CC), 1)


def first_look(num_heads: int, head_dim: int, rng: np.random.Generator) -> np.ndarray:
    """Kernels (W, F) of a fresh block: head h makes queries of the token h places before, modulo W, keys of that NAME places
    before, and values of the token itself; with a little of the others."""
    heads = np.arange(num_heads)
    backs = np.stack([heads % WIDTH, np.full_like(heads, NAME), np.zeros_like(heads)])
    is_looked_at = np.arange(WIDTH)[:, None] == WIDTH - 1 - np.repeat(backs.ravel(), head_dim)
    return (is_looked_at + 0.1 * rng.standard_normal(is_looked_at.shape)).astype(np.float32)


def signed_decay(z):
    """log |a| and the sign of a = tanh(z / 2), without the errors of MindSpore's tanh, 1e-4 on a CPU."""
    small = ops.exp(-(ops.abs(z) + SMALLEST))
    return ops.log1p(-small) - ops.log1p(small), 1 - 2 * ops.less(z, 0.0).astype(mstype.float32)
