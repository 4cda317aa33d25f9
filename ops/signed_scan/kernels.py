"""The signed scan by compiled kernels: C++ (cpu/), MindSpore's hybrid DSL through AKG, or NumPy.

Each is (x, decay (B, T, D), state before all (B, D)) -> states after every step (B, T, D).
"""

# ruff: noqa: F821 (output_tensor and serial are names of the hybrid DSL, which it sets when a kernel is called)
from __future__ import annotations

import numpy as np
from mindspore import nn, ops
from mindspore.ops import kernel

from sfm_ms.ops import cpu_library
from sfm_ms.ops.akg_compiler import compiled
from sfm_ms.ops.signed_scan import reference


def cpu_scan(is_reversed: bool) -> ops.Custom:
    """Threads share the rows of the batch and blocks of channels (OMP_NUM_THREADS)."""
    return cpu_library.kernel("signed_scan_reversed" if is_reversed else "signed_scan", of_result, of_result)


def numpy_scan(is_reversed: bool) -> ops.Custom:
    return ops.Custom(numpy_reversed if is_reversed else numpy_forward, of_result, of_result, func_type="pyfunc")


def of_result(x, decay, state):
    """The shape of the result from those of the arguments, and its type from the types."""
    return x


def numpy_forward(x, decay, state):
    return reference.scan(x, decay, state.astype(np.float64)).astype(np.float32)


def numpy_reversed(x, decay, state):
    return np.ascontiguousarray(numpy_forward(x[:, ::-1], decay[:, ::-1], state)[:, ::-1])


class AkgScan(nn.Cell):
    def __init__(self, is_reversed: bool):
        super().__init__()
        self.is_reversed = is_reversed
        self.scan = compiled(hybrid_scan, like=0)
        self.reverse = ops.ReverseV2([1])

    def construct(self, x, decay, state):
        if self.is_reversed:
            x, decay = self.reverse(x), self.reverse(decay)
        first = state.expand_dims(1)  # as a step of its own, for AKG compiles no empty loop
        states = self.scan(ops.concat((first, x), 1), ops.concat((first, decay), 1))[:, 1:]
        return self.reverse(states) if self.is_reversed else states


@kernel
def hybrid_scan(x, decay):
    """The states from the first step's x on, which is a state; x, decay (B, T, D), T at least 2."""
    out = output_tensor(x.shape, x.dtype)
    for b in range(x.shape[0]):
        for d in range(x.shape[2]):
            out[b, 0, d] = x[b, 0, d]
    for b in range(x.shape[0]):
        for t in serial(1, x.shape[1]):
            for d in range(x.shape[2]):
                out[b, t, d] = decay[b, t, d] * out[b, t - 1, d] + x[b, t, d]
    return out
