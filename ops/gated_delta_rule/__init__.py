"""The gated delta rule, a recurrence over a matrix-valued state; see README.md.

S_t = a_t (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T        o_t = scale * S_t^T q_t
"""

from __future__ import annotations

import functools

import mindspore
from mindspore import dtype as mstype
from mindspore import nn, ops

from sfm_ms.ops import akg_compiler, checks, cpu_library, dispatch
from sfm_ms.ops.checks import form
from sfm_ms.ops.gated_delta_rule.akg import akg_kernels
from sfm_ms.ops.gated_delta_rule.ascendc import kernels as ascendc_kernels
from sfm_ms.ops.gated_delta_rule.ascendc.rule import AscendcRule, ascendc_rule, fits
from sfm_ms.ops.gated_delta_rule.chunked import ChunkedGatedDeltaRule
from sfm_ms.ops.gated_delta_rule.kernel_pair import cpu_kernels, numpy_kernels

NAMES = ("q", "k", "v", "beta", "log_decay", "sign", "initial_state")
CHUNK_SIZES = (16, 32, 64)
IMPLEMENTATIONS = {
    "cpu": dispatch.Implementation(cpu_kernels, cpu_library.why_not, device="CPU"),
    "ascendc": dispatch.Implementation(ascendc_rule, ascendc_kernels.why_not, device="Ascend"),
    "chunked": dispatch.Implementation(ChunkedGatedDeltaRule, lambda: ""),
    "akg": dispatch.Implementation(akg_kernels, akg_compiler.why_not, is_automatic=False),
    "reference": dispatch.Implementation(numpy_kernels, checks.needs_cpu, is_automatic=False),
}


def gated_delta_rule(q, k, v, beta, log_decay, sign=None, initial_state=None, *, scale=None, chunk_size=64, impl="auto"):
    """-> (out (B, T, H, V), final_state (B, H, K, V)); differentiable in everything but the sign, also through final_state.

    q, k: (B, T, H, K); keys of length 1, which the caller sees to. v: (B, T, H, V). beta: (B, T, H), in [0, 2].
    log_decay: (B, T, H), at most 0; None means 0. sign: (B, T, H), +1 or -1; None means +1. a_t = sign_t exp(log_decay_t);
    log_decay of -inf means a_t = 0. initial_state: (B, H, K, V), before the first step's decay; None means 0.
    scale: of the queries; None means K^-1/2. chunk_size: 16, 32 or 64 tokens that are worked on at once, a question of speed.
    impl: auto, cpu, ascendc, chunked, akg or reference.

    q, k and v have one type, float32 or float16 (ascendc: only float16, and widths that are multiples of 16 up to 128); sums
    and states are float32, and so is final_state.
    ValueError names an argument that does not fit; values are checked outside of graphs only.
    Formula: Yang et al. 2025, "Gated Delta Networks", eq. 10; signs: Grazzi et al. 2025, "Unlocking State-Tracking".
    """
    return built(scale, chunk_size, impl)(q, k, v, beta, log_decay, sign, initial_state)


@functools.cache
def built(scale, chunk_size, impl):
    return GatedDeltaRule(scale=scale, chunk_size=chunk_size, impl=impl)


@mindspore.constexpr
def check_forms(q, k, v, beta, log_decay, sign, initial_state) -> None:
    """ValueError if shapes or types do not fit; each argument is (shape, type) or None."""
    checks.rank("q", q, "(B, T, H, K)")
    checks.rank("v", v, "(B, T, H, V)")
    checks.dtype("q", q, checks.FLOATS)
    (num_batch, num_steps, num_heads, key_dim), dtype = q
    value_dim = v[0][3]
    checks.shape("k", k, "(B, T, H, K)", q[0])
    checks.shape("v", v, "(B, T, H, V)", (num_batch, num_steps, num_heads, value_dim))
    for name, argument in (("beta", beta), ("log_decay", log_decay), ("sign", sign)):
        checks.shape(name, argument, "(B, T, H)", (num_batch, num_steps, num_heads))
    checks.shape("initial_state", initial_state, "(B, H, K, V)", (num_batch, num_heads, key_dim, value_dim))
    for name, argument in (("k", k), ("v", v)):
        checks.dtype(name, argument, (dtype,))
    for name, argument in (("beta", beta), ("log_decay", log_decay), ("sign", sign), ("initial_state", initial_state)):
        checks.dtype(name, argument, checks.FLOATS)


class GatedDeltaRule(nn.Cell):
    """`gated_delta_rule` with its options fixed: (q, k, v, beta, log_decay, sign, initial_state) -> (out, final_state)."""

    def __init__(self, *, scale: float | None = None, chunk_size: int = 64, impl: str = "auto"):
        super().__init__()
        if chunk_size not in CHUNK_SIZES:
            raise ValueError(f"chunk_size of gated_delta_rule: expected one of {CHUNK_SIZES}, got {chunk_size!r}")
        self.scale = scale
        self.rule = dispatch.choose("gated_delta_rule", IMPLEMENTATIONS, impl)(chunk_size)
        self.is_half = isinstance(self.rule, AscendcRule)  # all others compute in float32
        # What takes widths and types that those kernels do not, where no implementation was asked for.
        self.other_rule = ChunkedGatedDeltaRule(chunk_size) if self.is_half and impl == "auto" else None

    def __call__(self, q, k, v, beta, log_decay=None, sign=None, initial_state=None):
        """Outside of graphs; inside, MindSpore compiles `construct`."""
        arguments = dict(zip(NAMES, (q, k, v, beta, log_decay, sign, initial_state), strict=True))
        check_forms(*[form(argument) for argument in arguments.values()])
        checks.values("beta", beta, lambda x: (x >= 0) & (x <= 2), "values in [0, 2]")
        checks.decays(log_decay, sign)
        checks.finite(arguments)
        out, final_state = super().__call__(*arguments.values())
        checks.finite({"out": out, "final_state": final_state})
        return out, final_state

    def construct(self, q, k, v, beta, log_decay=None, sign=None, initial_state=None):
        check_forms(form(q), form(k), form(v), form(beta), form(log_decay), form(sign), form(initial_state))
        num_batch, _, num_heads, key_dim = q.shape
        log_decay = ops.zeros_like(beta) if log_decay is None else log_decay
        sign = ops.ones_like(beta) if sign is None else sign
        if initial_state is None:
            initial_state = ops.zeros((num_batch, num_heads, key_dim, v.shape[3]), mstype.float32)
        scale = (key_dim**-0.5 if self.scale is None else self.scale) * ops.ones((1,), mstype.float32)
        others = [argument.astype(mstype.float32) for argument in (beta, log_decay, sign, initial_state)]
        if self.is_half and (self.other_rule is None or fits(form(q), form(v))):
            out, final_state = self.rule(q, k, v, *others, scale)
        else:
            rule = self.rule if self.other_rule is None else self.other_rule
            out, final_state = rule(*[argument.astype(mstype.float32) for argument in (q, k, v)], *others, scale)
        return out.astype(q.dtype), final_state
