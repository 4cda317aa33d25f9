"""Models of the literature as uses of the one operator.

Shapes: B batch, T time, H heads, K key width, V value width, N steps a token.
"""

from __future__ import annotations

from mindspore import ops

from sfm_ms.ops.gated_delta_rule import gated_delta_rule


def delta_rule(q, k, v, beta, initial_state=None, **options):
    """S_t = (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T: DeltaNet (Schlag et al. 2021; Yang et al. 2024).

    With beta in [0, 1]; with beta up to 2 its steps have negative eigenvalues (Grazzi et al. 2025). Arguments, options,
    results and errors are those of `gated_delta_rule`.
    """
    return gated_delta_rule(q, k, v, beta, None, None, initial_state, **options)


def delta_product(q, k, v, beta, log_decay=None, sign=None, initial_state=None, **options):
    """N steps of the delta rule for each token, the decay before the first and the query after the last.

    k: (B, T, N, H, K); v: (B, T, N, H, V); beta: (B, T, N, H). The rest, options and results are those of
    `gated_delta_rule`, with T tokens; a message about what does not fit counts N T steps. Formula: Siems et al. 2025,
    "DeltaProduct", section 3.
    """
    num_steps = k.shape[2]
    decays = None if log_decay is None else one_of(num_steps, log_decay, 0, ops.zeros_like)
    signs = None if sign is None else one_of(num_steps, sign, 0, ops.ones_like)
    queries = one_of(num_steps, q, num_steps - 1, ops.zeros_like)
    k, v, beta = (x.reshape(x.shape[0], -1, *x.shape[3:]) for x in (k, v, beta))
    out, final_state = gated_delta_rule(queries, k, v, beta, decays, signs, initial_state, **options)
    return out[:, num_steps - 1 :: num_steps], final_state


def one_of(num_steps, x_BT, place, others):
    """(B, T, ...) -> (B, N T, ...): x at one of the N steps of every token, `others(x)` at the rest."""
    steps = [x_BT if step == place else others(x_BT) for step in range(num_steps)]
    return ops.stack(steps, 2).reshape(x_BT.shape[0], -1, *x_BT.shape[2:])
