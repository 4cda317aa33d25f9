"""The two Ascend C kernels as operators: names and types of their arguments, and the shapes of their results.

Shapes: B batch, T' time (a multiple of the chunk), H heads, K key width, V value width, C tokens a chunk, M chunks, N = B H
sequences.
"""

from __future__ import annotations

from mindspore import dtype as mstype
from mindspore import ops

from sfm_ms.ops import ascendc_operators

FORWARD, BACKWARD = "GatedDeltaRuleForward", "GatedDeltaRuleBackward"
HALF, FP32 = mstype.float16, mstype.float32
DECAYS = {
    "row_exponents": HALF,
    "column_exponents": HALF,
    "factors": HALF,
    "whole": FP32,
    "minus_identity": HALF,
    "mask": HALF,
    "unweighted_exponents": HALF,
    "minus_beta": FP32,
}  # what arguments.Decays makes
NUM_FORWARD_DECAYS = 6  # so many of them the forward kernel takes, from the first on
KEPT = {"states": HALF}  # by the forward kernel for the gradient


def why_not() -> str:
    return ascendc_operators.why_not(FORWARD, BACKWARD)


def forward() -> ops.Custom:
    """(q, k (B, T', H, K), v (B, T', H, V), the first decays, state (B, H, K, V)) -> `forward_shapes`."""
    decays = dict(list(DECAYS.items())[:NUM_FORWARD_DECAYS])
    inputs = {"q": HALF, "k": HALF, "v": HALF, **decays, "state": FP32}
    return ascendc_operators.operator(FORWARD, inputs, {"out": HALF, "final_state": FP32, **KEPT}, forward_shapes)


def backward() -> ops.Custom:
    """(q, k, v, all decays, what was kept, d_out (B, T', H, V), d_final_state (B, H, K, V)) -> `backward_shapes`."""
    inputs = {"q": HALF, "k": HALF, "v": HALF, **DECAYS, **KEPT, "d_out": HALF, "d_final_state": FP32}
    outputs = {"d_q": HALF, "d_k": HALF, "d_v": HALF, "d_state": FP32, "sums": FP32}
    return ascendc_operators.operator(BACKWARD, inputs, outputs, backward_shapes)


def forward_shapes(q, k, v, row_exponents, *others):
    """out (B, T', H, V), final_state (B, H, K, V), states (N, M, K V)."""
    num_sequences, num_chunks, _, _ = row_exponents
    return v, others[-1], (num_sequences, num_chunks, q[3] * v[3])


def backward_shapes(q, k, v, row_exponents, *others):
    """d_q, d_k (B, T', H, K), d_v (B, T', H, V), d_state (B, H, K, V), sums (N, M, 5 C + V)."""
    num_sequences, num_chunks, chunk_size, _ = row_exponents
    return q, k, v, others[-1], (num_sequences, num_chunks, 5 * chunk_size + v[3])
