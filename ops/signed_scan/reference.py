"""The signed scan as its equation reads, and its gradient, in NumPy float64.

    h_t = a_t h_{t-1} + x_t        a_t = sign_t exp(log_decay_t), elementwise

Shapes: B batch, T time, D channels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Gradients(NamedTuple):
    """Of a loss with respect to the arguments of the same names."""

    x: np.ndarray
    log_decay: np.ndarray
    initial_state: np.ndarray


def signed_scan(x, log_decay, sign=None, initial_state=None):
    """x, log_decay, sign (B, T, D), initial_state (B, D) -> (out (B, T, D), final_state (B, D))."""
    x, decay, state = prepared(x, log_decay, sign, initial_state)
    out = scan(x, decay, state)
    return out, out[:, -1]


def signed_scan_backward(d_out, d_final_state, x, log_decay, sign=None, initial_state=None) -> Gradients:
    """The gradient of <d_out, out> + <d_final_state, final_state>."""
    x, decay, state = prepared(x, log_decay, sign, initial_state)
    before = np.concatenate([state[:, None], scan(x, decay, state)[:, :-1]], 1)
    d_x, d_state = np.empty(x.shape), np.asarray(d_final_state, np.float64)
    for t in reversed(range(x.shape[1])):
        d_x[:, t] = d_state + d_out[:, t]
        d_state = decay[:, t] * d_x[:, t]
    return Gradients(d_x, d_x * decay * before, d_state)


def scan(x, decay, state):
    """The states after every step."""
    out = np.empty(x.shape)
    for t in range(x.shape[1]):
        state = out[:, t] = decay[:, t] * state + x[:, t]
    return out


def prepared(x, log_decay, sign, initial_state):
    """The arguments in float64 with the defaults filled in; decay and sign become one factor a_t."""
    x, decay = np.asarray(x, np.float64), np.exp(np.asarray(log_decay, np.float64))
    decay = decay if sign is None else decay * sign
    state = np.zeros((x.shape[0], x.shape[2])) if initial_state is None else np.asarray(initial_state, np.float64)
    return x, decay, state
