"""All states of S_{n+1} = F_n S_n + N_n at once, by a scan of linear work and logarithmic depth.

Neighbouring steps are combined until one is left for each sequence; then the states are filled in, from coarse to fine
(Blelloch 1990, "Prefix sums and their applications").

Shapes: G sequences of L steps, M = G L steps of all, those of a sequence next to each other; states (K, V).
"""

from __future__ import annotations

from mindspore import dtype as mstype
from mindspore import ops

product, eye = ops.BatchMatMul(), ops.Eye()


def affine_scan(f_MKK, n_MKV, state_GKV, is_reversed=False):
    """The states before every step (M, K, V) and after the last (G, K, V); reversed, a sequence's last step comes first."""
    num_sequences = state_GKV.shape[0]
    levels = ()  # the coarsest first
    while f_MKK.shape[0] > num_sequences:
        num_steps = f_MKK.shape[0] // num_sequences
        first_f, second_f = pairs(f_MKK, identity(f_MKK.shape[1]), num_steps, is_reversed)
        first_n, second_n = pairs(n_MKV, ops.zeros(n_MKV.shape[1:]), num_steps, is_reversed)
        f_MKK, n_MKV = product(second_f, first_f), product(second_f, first_n) + second_n
        levels = ((first_f, first_n, num_steps), *levels)
    final_GKV, states = product(f_MKK, state_GKV) + n_MKV, state_GKV
    for first_f, first_n, num_steps in levels:
        between = product(first_f, states) + first_n
        both = (between, states) if is_reversed else (states, between)
        of_sequences = ops.stack(both, 1).reshape(num_sequences, -1, *state_GKV.shape[1:])
        states = of_sequences[:, :num_steps].reshape(-1, *state_GKV.shape[1:])
    return states, final_GKV


def pairs(x_MXY, neutral_XY, num_steps, is_reversed):
    """What comes first and what comes second in each pair of steps; a step that changes nothing makes an odd number even."""
    shape = x_MXY.shape[1:]
    if num_steps % 2 == 1:
        x_GLXY = x_MXY.reshape(-1, num_steps, *shape)
        x_MXY = ops.concat((x_GLXY, neutral_XY.broadcast_to((x_GLXY.shape[0], 1, *shape))), 1)
    left, right = ops.unbind(x_MXY.reshape(-1, 2, *shape), 1)
    return (right, left) if is_reversed else (left, right)


def identity(size):
    return eye(size, size, mstype.float32)
