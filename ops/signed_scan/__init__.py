"""The signed scan, a linear recurrence of every channel by itself; see README.md.

h_t = a_t h_{t-1} + x_t        a_t = sign_t exp(log_decay_t)
"""

from __future__ import annotations

import functools

import mindspore
from mindspore import dtype as mstype
from mindspore import nn, ops

from sfm_ms.ops import akg_compiler, checks, cpu_library, dispatch
from sfm_ms.ops.checks import form
from sfm_ms.ops.signed_scan.ascendc import kernels as ascendc_kernels
from sfm_ms.ops.signed_scan.chunked import ChunkedScan
from sfm_ms.ops.signed_scan.kernels import AkgScan, cpu_scan, numpy_scan

NAMES = ("x", "log_decay", "sign", "initial_state")
IMPLEMENTATIONS = {
    "cpu": dispatch.Implementation(cpu_scan, cpu_library.why_not, device="CPU"),
    "ascendc": dispatch.Implementation(ascendc_kernels.ascendc_scan, ascendc_kernels.why_not, device="Ascend"),
    "chunked": dispatch.Implementation(ChunkedScan, lambda: ""),
    "akg": dispatch.Implementation(AkgScan, akg_compiler.why_not, is_automatic=False),
    "reference": dispatch.Implementation(numpy_scan, checks.needs_cpu, is_automatic=False),
}


def signed_scan(x, log_decay, sign=None, initial_state=None, *, impl="auto"):
    """-> (out (B, T, D), final_state (B, D)): all states and the last; differentiable in everything but the sign.

    x: (B, T, D). log_decay: (B, T, D), at most 0; -inf means a_t = 0. sign: (B, T, D), +1 or -1; None means +1.
    initial_state: (B, D), before the first step's decay; None means 0. impl: auto, cpu, ascendc, chunked, akg
    or reference.

    x is float32 or float16; sums are float32, and so is final_state. ValueError names an argument that does not fit; values
    are checked outside of graphs only.
    """
    return built(impl)(x, log_decay, sign, initial_state)


@functools.cache
def built(impl):
    return SignedScan(impl=impl)


@mindspore.constexpr
def check_forms(x, log_decay, sign, initial_state) -> None:
    """ValueError if shapes or types do not fit; each argument is (shape, type) or None."""
    checks.rank("x", x, "(B, T, D)")
    num_batch, _, num_channels = x[0]
    checks.shape("log_decay", log_decay, "(B, T, D)", x[0])
    checks.shape("sign", sign, "(B, T, D)", x[0])
    checks.shape("initial_state", initial_state, "(B, D)", (num_batch, num_channels))
    for name, argument in zip(NAMES, (x, log_decay, sign, initial_state), strict=True):
        checks.dtype(name, argument, checks.FLOATS)


class SignedScan(nn.Cell):
    """`signed_scan` with its implementation fixed: (x, log_decay, sign, initial_state) -> (out, final_state)."""

    def __init__(self, *, impl: str = "auto"):
        super().__init__()
        build = dispatch.choose("signed_scan", IMPLEMENTATIONS, impl)
        self.scan, self.with_gradient = build(is_reversed=False), WithGradient(build(is_reversed=True))

    def __call__(self, x, log_decay, sign=None, initial_state=None):
        """Outside of graphs; inside, MindSpore compiles `construct`."""
        arguments = dict(zip(NAMES, (x, log_decay, sign, initial_state), strict=True))
        check_forms(*[form(argument) for argument in arguments.values()])
        checks.decays(log_decay, sign)
        checks.finite(arguments)
        out, final_state = super().__call__(*arguments.values())
        checks.finite({"out": out, "final_state": final_state})
        return out, final_state

    def construct(self, x, log_decay, sign=None, initial_state=None):
        check_forms(form(x), form(log_decay), form(sign), form(initial_state))
        decay = ops.exp(log_decay.astype(mstype.float32))
        decay = decay if sign is None else decay * sign.astype(mstype.float32)
        values = x.astype(mstype.float32)
        state = ops.zeros_like(values[:, 0]) if initial_state is None else initial_state.astype(mstype.float32)
        states = self.scan(ops.stop_gradient(values), ops.stop_gradient(decay), ops.stop_gradient(state))
        states = self.with_gradient(values, decay, state, states)
        return states.astype(x.dtype), states[:, -1]


class WithGradient(nn.Cell):
    """Passes on the states and gives them their gradient, which is a scan in reverse:

        dh_t = dout_t + a_{t+1} dh_{t+1}        dx_t = dh_t        da_t = dh_t h_{t-1}        dh_0 = a_1 dh_1

    It is apart from the scan because MindSpore compiles no control flow in the `construct` of a Cell that has a `bprop`.
    """

    def __init__(self, reversed_scan):
        super().__init__()
        self.reversed_scan = reversed_scan

    def construct(self, x_BTD, decay_BTD, state_BD, states_BTD):
        return states_BTD

    def bprop(self, x_BTD, decay_BTD, state_BD, states_BTD, outputs, d_states_BTD):
        num_steps = x_BTD.shape[1]
        zero_BD, first_B1D = ops.zeros_like(state_BD), state_BD.expand_dims(1)
        next_decays_BTD = ops.concat((decay_BTD, ops.zeros_like(first_B1D)), 1)[:, 1:]
        before_BTD = ops.concat((first_B1D, states_BTD), 1)[:, :num_steps]
        d_x_BTD = self.reversed_scan(d_states_BTD, next_decays_BTD, zero_BD)
        return d_x_BTD, d_x_BTD * before_BTD, d_x_BTD[:, 0] * decay_BTD[:, 0], ops.zeros_like(states_BTD)
