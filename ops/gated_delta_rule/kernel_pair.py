"""The gated delta rule by two kernels, one for each direction: those in C++ (cpu/), or the NumPy reference."""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.ops import cpu_library
from sfm_ms.ops.gated_delta_rule import reference


class KernelPair(nn.Cell):
    """(q, k, v, beta, log_decay, sign, initial_state, scale (1,)), all fp32 -> (out, final_state)."""

    def __init__(self, forward: ops.Custom, backward: ops.Custom):
        super().__init__()
        self.forward, self.backward = forward, backward

    def construct(self, q, k, v, beta, log_decay, sign, initial_state, scale):
        return self.forward(q, k, v, beta, log_decay, sign, initial_state, scale)

    def bprop(self, q, k, v, beta, log_decay, sign, initial_state, scale, outputs, d_outputs):
        gradients = self.backward(q, k, v, beta, log_decay, sign, initial_state, scale, d_outputs[0], d_outputs[1])
        d_q, d_k, d_v, d_beta, d_log_decay, d_initial_state = gradients
        return d_q, d_k, d_v, d_beta, d_log_decay, ops.zeros_like(sign), d_initial_state, ops.zeros_like(scale)


def cpu_kernels(chunk_size: int) -> KernelPair:
    """Threads share the heads and rows of the batch (OMP_NUM_THREADS)."""
    return KernelPair(
        cpu_library.kernel(f"gated_delta_rule_forward_{chunk_size}", of_outputs, of_outputs),
        cpu_library.kernel(f"gated_delta_rule_backward_{chunk_size}", of_gradients, of_gradients),
    )


def numpy_kernels(chunk_size: int) -> KernelPair:
    """Slow, and in float64 inside; the chunk size means nothing to it."""
    forward = ops.Custom(run, of_outputs, of_outputs, func_type="pyfunc")
    return KernelPair(forward, ops.Custom(gradients, of_gradients, of_gradients, func_type="pyfunc"))


def of_outputs(q, k, v, beta, log_decay, sign, initial_state, scale):
    """The shapes of the results from those of the arguments, and their types from the types."""
    return v, initial_state


def of_gradients(q, k, v, beta, log_decay, sign, initial_state, scale, d_out, d_final_state):
    return q, k, v, beta, log_decay, initial_state


def run(q, k, v, beta, log_decay, sign, initial_state, scale):
    results = reference.gated_delta_rule(q, k, v, beta, log_decay, sign, initial_state, scale=scale.item())
    return tuple(result.astype(np.float32) for result in results)


def gradients(q, k, v, beta, log_decay, sign, initial_state, scale, d_out, d_final_state):
    arguments = (q, k, v, beta, log_decay, sign, initial_state)
    results = reference.gated_delta_rule_backward(d_out, d_final_state, *arguments, scale=scale.item())
    return tuple(result.astype(np.float32) for result in results)
