"""The gated delta rule as its equation reads, in NumPy float64: the truth every other form is tested against.

    S_t = a_t (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T        o_t = scale * S_t^T q_t

with a_t = sign_t exp(log_decay_t), unit keys and beta in [0, 2] (Yang et al. 2025, "Gated Delta Networks", eq. 10, in the
transposed layout; signs: Grazzi et al. 2025).

Shapes: B batch, T time, H heads, K key width, V value width.
"""

from __future__ import annotations

import numpy as np


def gated_delta_rule(q, k, v, beta, log_decay=None, sign=None, initial_state=None, *, scale=None):
    """q, k (B, T, H, K), v (B, T, H, V), beta, log_decay, sign (B, T, H), initial_state (B, H, K, V) -> (out, final_state).

    `log_decay=None` means a_t = sign_t, `sign=None` means +1, `scale=None` means K^-1/2.
    """
    q, k, v, beta = (np.asarray(array, np.float64) for array in (q, k, v, beta))
    num_batch, num_steps, num_heads, key_dim = q.shape
    decay = np.ones(beta.shape) if log_decay is None else np.exp(np.asarray(log_decay, np.float64))
    decay = decay if sign is None else decay * sign
    shape = (num_batch, num_heads, key_dim, v.shape[-1])
    state = np.zeros(shape) if initial_state is None else np.array(initial_state, np.float64)
    out = np.empty(v.shape)
    for t in range(num_steps):
        state = decay[:, t, :, None, None] * state
        error = v[:, t] - np.einsum("bhkv,bhk->bhv", state, k[:, t])
        state = state + beta[:, t, :, None, None] * k[:, t, :, :, None] * error[:, :, None, :]
        out[:, t] = np.einsum("bhkv,bhk->bhv", state, q[:, t])
    return out * (key_dim**-0.5 if scale is None else scale), state
