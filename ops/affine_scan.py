"""All states of S_{n+1} = F_n S_n + N_n at once, by a scan of linear work and logarithmic depth.

Neighbouring steps are combined until one is left for each sequence; then the states are filled in, from coarse to fine
(Blelloch 1990, "Prefix sums and their applications"). F is a matrix, or a factor of each element.

Shapes: G sequences of L steps, M = G L steps of all, those of a sequence next to each other; a state has the shape (...).
"""

from __future__ import annotations

from mindspore import dtype as mstype
from mindspore import ops

from sfm_ms.ops.slices import first

eye = ops.Eye()


def affine_scan(f_M, n_M, state_G, product, neutral, is_reversed=False):
    """The states before every step (M, ...) and after the last (G, ...); reversed, a sequence's last step comes first.

    `product` multiplies two F, or an F and a state; `neutral` is the F that changes nothing.
    """
    num_sequences = state_G.shape[0]
    levels = ()  # the coarsest first
    while f_M.shape[0] > num_sequences:
        num_steps = f_M.shape[0] // num_sequences
        first_f, second_f = pairs(f_M, neutral, num_steps, is_reversed)
        first_n, second_n = pairs(n_M, ops.zeros_like(n_M[0]), num_steps, is_reversed)
        f_M, n_M = product(second_f, first_f), product(second_f, first_n) + second_n
        levels = ((first_f, first_n, num_steps), *levels)
    states, final_G = state_G, product(f_M, state_G) + n_M
    for first_f, first_n, num_steps in levels:
        between = product(first_f, states) + first_n
        both = (between, states) if is_reversed else (states, between)
        of_sequences = ops.stack(both, 1).reshape(num_sequences, -1, *state_G.shape[1:])
        states = first(of_sequences, num_steps).reshape(-1, *state_G.shape[1:])
    return states, final_G


def pairs(x_M, neutral, num_steps, is_reversed):
    """What comes first and what comes second in each pair of steps; a step that changes nothing makes an odd number even."""
    shape = x_M.shape[1:]
    if num_steps % 2 == 1:
        x_GL = x_M.reshape(-1, num_steps, *shape)
        x_M = ops.concat((x_GL, neutral.broadcast_to((x_GL.shape[0], 1, *shape))), 1)
    left, right = ops.unbind(x_M.reshape(-1, 2, *shape), 1)
    return (right, left) if is_reversed else (left, right)


def identity(size):
    return eye(size, size, mstype.float32)
