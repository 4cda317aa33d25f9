"""The gated delta rule as its equation reads, and its gradient, in NumPy float64: the truth every other form is tested against.

    S_t = a_t (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T        o_t = scale * S_t^T q_t

with a_t = sign_t exp(log_decay_t), unit keys and beta in [0, 2] (Yang et al. 2025, "Gated Delta Networks", eq. 10, in the
transposed layout; signs: Grazzi et al. 2025).

Shapes: B batch, T time, H heads, K key width, V value width.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Gradients(NamedTuple):
    """Of a loss with respect to the arguments of the same names, each of its argument's shape."""

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    beta: np.ndarray
    log_decay: np.ndarray
    initial_state: np.ndarray


def gated_delta_rule(q, k, v, beta, log_decay=None, sign=None, initial_state=None, *, scale=None):
    """q, k (B, T, H, K), v (B, T, H, V), beta, log_decay, sign (B, T, H), initial_state (B, H, K, V) -> (out, final_state).

    `log_decay=None` means a_t = sign_t, `sign=None` means +1, `scale=None` means K^-1/2.
    """
    q, k, v, beta, decay, state, scale = prepared(q, k, v, beta, log_decay, sign, initial_state, scale)
    states = run(k, v, beta, decay, state)
    out = np.empty(v.shape)
    for t, state in enumerate(states[1:]):
        out[:, t] = scale * read(state, q[:, t])
    return out, states[-1]


def gated_delta_rule_backward(
    d_out, d_final_state, q, k, v, beta, log_decay=None, sign=None, initial_state=None, *, scale=None
) -> Gradients:
    """The gradient of <d_out, out> + <d_final_state, final_state>, by the same recurrence run in reverse."""
    q, k, v, beta, decay, state, scale = prepared(q, k, v, beta, log_decay, sign, initial_state, scale)
    states = run(k, v, beta, decay, state)
    d_q, d_k, d_v, d_beta, d_decay = (np.empty(array.shape) for array in (q, k, v, beta, decay))
    d_out, d_state = np.asarray(d_out, np.float64), np.array(d_final_state, np.float64)
    for t in reversed(range(q.shape[1])):
        decayed, error = before_write(states[t], k[:, t], v[:, t], decay[:, t])
        written = beta[:, t, :, None] * error
        d_q[:, t] = scale * reads(states[t + 1], d_out[:, t])
        d_state = d_state + scale * outer(q[:, t], d_out[:, t])
        d_written = read(d_state, k[:, t])
        d_error = beta[:, t, :, None] * d_written
        d_beta[:, t] = (d_written * error).sum(-1)
        d_v[:, t] = d_error
        d_k[:, t] = reads(d_state, written) - reads(decayed, d_error)
        d_decayed = d_state - outer(k[:, t], d_error)
        d_decay[:, t] = (d_decayed * states[t]).sum((-2, -1))
        d_state = decay[:, t, :, None, None] * d_decayed
    return Gradients(d_q, d_k, d_v, d_beta, d_decay * decay, d_state)


def prepared(q, k, v, beta, log_decay, sign, initial_state, scale):
    """All arguments in float64 with the defaults filled in; decay and sign become one factor a_t."""
    q, k, v, beta = (np.asarray(array, np.float64) for array in (q, k, v, beta))
    decay = np.ones(beta.shape) if log_decay is None else np.exp(np.asarray(log_decay, np.float64))
    decay = decay if sign is None else decay * sign
    num_batch, _, num_heads, key_dim = q.shape
    shape = (num_batch, num_heads, key_dim, v.shape[-1])
    state = np.zeros(shape) if initial_state is None else np.array(initial_state, np.float64)
    return q, k, v, beta, decay, state, key_dim**-0.5 if scale is None else scale


def run(k, v, beta, decay, state):
    """The states before the first step and after each."""
    states = [state]
    for t in range(k.shape[1]):
        decayed, error = before_write(states[-1], k[:, t], v[:, t], decay[:, t])
        states.append(decayed + outer(k[:, t], beta[:, t, :, None] * error))
    return states


def before_write(state, k, v, decay):
    """The decayed state, and by how much what it holds under the key differs from the value."""
    decayed = decay[:, :, None, None] * state
    return decayed, v - read(decayed, k)


def read(state, key):
    """S^T k, (B, H, V)."""
    return np.einsum("bhkv,bhk->bhv", state, key)


def reads(state, value):
    """S v, (B, H, K)."""
    return np.einsum("bhkv,bhv->bhk", state, value)


def outer(key, value):
    """k v^T, (B, H, K, V)."""
    return key[..., :, None] * value[..., None, :]
