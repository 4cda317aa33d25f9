"""The gated delta rule over tokens, with short convolutions; Yang et al. 2025, "Gated Delta Networks", section 3.4.

    q, k, v = conv(x W)      k, q of length 1      beta = 2 sigmoid(x W_b)      log a = -exp(A) softplus(x W_a + c)
    y = (rms_norm(o) * silu(x W_g)) W_o            o: what the rule reads

beta up to 2 lets a write turn around what a state holds (Grazzi et al. 2025). Padding writes nothing and does not decay.

Shapes: B rows, T tokens, D width, H heads, K width of a head's keys and values, F = 3HK, W tokens of the convolution.
"""

from __future__ import annotations

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from sfm_ms.nn.init import normal
from sfm_ms.nn.linear import product
from sfm_ms.nn.norm import RmsNorm
from sfm_ms.nn.short_convolution import ShortConvolution
from sfm_ms.nn.softplus import softplus
from sfm_ms.ops.gated_delta_rule import GatedDeltaRule

SMALLEST_SQUARE = 1e-6  # of a key that is brought to length 1


class DeltaLayer(nn.Cell):
    """(x (B, T, D), is_token (B, T), past (B, W - 1, F), state (B, H, K, K)) -> (y (B, T, D), past, state)."""

    def __init__(self, dim: int, num_heads: int, rng: np.random.Generator, width: int = 4, chunk_size: int = 64):
        super().__init__()
        if dim % num_heads != 0:
            raise ValueError(f"heads of a delta layer: expected a divisor of the width {dim}, got {num_heads}")
        self.num_heads, self.head_dim = num_heads, dim // num_heads
        self.to_rows_DF, self.to_gate_DD, self.from_heads_DD = (normal(rng, (dim, size)) for size in (3 * dim, dim, dim))
        self.to_beta_DH, self.to_decay_DH = normal(rng, (dim, num_heads)), normal(rng, (dim, num_heads))
        # Rates from 1 to 16 and steps from 0.001 to 0.1, as in Mamba-2 (Dao and Gu 2024): memories of different lengths.
        step_H = np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), num_heads))
        self.log_rate_H = Parameter(Tensor(np.log(rng.uniform(1, 16, num_heads)).astype(np.float32)))
        self.step_bias_H = Parameter(Tensor(np.log(np.expm1(step_H)).astype(np.float32)))
        self.convolution, self.norm = ShortConvolution(3 * dim, rng, width), RmsNorm(self.head_dim)
        self.rule = GatedDeltaRule(chunk_size=chunk_size)

    def construct(self, x_BTD, is_token_BT, past_BWF, state_BHKK):
        rows_BTF, past_BWF = self.convolution(product(x_BTD, self.to_rows_DF), is_token_BT, past_BWF)
        q_BTHK, k_BTHK, v_BTHK = [self.by_heads(rows) for rows in ops.split(rows_BTF, x_BTD.shape[2], 2)]
        is_token_BT1 = is_token_BT.expand_dims(2)
        beta_BTH = 2 * ops.sigmoid(product(x_BTD, self.to_beta_DH)) * is_token_BT1
        steps_BTH = softplus(product(x_BTD, self.to_decay_DH) + self.step_bias_H)
        log_decay_BTH = -ops.exp(self.log_rate_H) * steps_BTH * is_token_BT1
        o_BTHK, state_BHKK = self.rule(unit(q_BTHK), unit(k_BTHK), v_BTHK, beta_BTH, log_decay_BTH, None, state_BHKK)
        gate_BTD = product(x_BTD, self.to_gate_DD)
        y_BTD = self.norm(o_BTHK).reshape(x_BTD.shape) * gate_BTD * ops.sigmoid(gate_BTD)
        return product(y_BTD, self.from_heads_DD), past_BWF, state_BHKK

    def begin(self, num_rows: int) -> tuple:
        """past and state of `num_rows` texts before their first token."""
        return self.convolution.begin(num_rows), ops.zeros((num_rows, self.num_heads, self.head_dim, self.head_dim))

    def by_heads(self, x_BTD):
        return x_BTD.reshape(x_BTD.shape[0], x_BTD.shape[1], self.num_heads, self.head_dim)


def unit(x):
    """Of length 1; zeros stay zeros."""
    return x * ops.rsqrt(ops.square(x).sum(-1, keepdims=True) + SMALLEST_SQUARE)
