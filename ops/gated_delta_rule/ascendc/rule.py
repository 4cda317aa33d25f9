"""The gated delta rule by the Ascend C kernels, differentiable: what surrounds their launches, in graph mode.

Shapes: B batch, T time, T' the same filled up to whole chunks, H heads, K key width, V value width, C tokens a chunk, M chunks,
N = B H sequences.
"""

from __future__ import annotations

import mindspore
from mindspore import dtype as mstype
from mindspore import nn, ops

from sfm_ms.ops import dispatch
from sfm_ms.ops.checks import form
from sfm_ms.ops.gated_delta_rule.ascendc import kernels
from sfm_ms.ops.gated_delta_rule.ascendc.arguments import Decays, Gradients, by_tokens, filled_up

LARGEST_WIDTH = 128  # whose chunks and states fit on the chip


def misfit(q, v) -> str:
    """Why the kernels do not take such queries, keys and values; each argument is (shape, type)."""
    if q[1] != mstype.float16:
        return f"q, k, v: expected float16 for impl='ascendc', got {str(q[1]).lower()}"
    for name, argument in (("q", q), ("v", v)):
        width = argument[0][3]
        if width % 16 != 0 or width > LARGEST_WIDTH:
            expected = f"a last axis that is a multiple of 16, up to {LARGEST_WIDTH}"
            return f"{name}: expected {expected}, for impl='ascendc', got {width}"
    return ""


@mindspore.constexpr
def check_forms(q, v) -> None:
    if reason := misfit(q, v):
        raise ValueError(f"{reason}; impl='chunked' takes others")


@mindspore.constexpr
def fits(q, v) -> bool:
    """Whether the kernels take them; says once why not."""
    if reason := misfit(q, v):
        dispatch.warn_once(f"gated_delta_rule runs as 'chunked' ({reason})")
    return not reason


class AscendcRule(nn.Cell):
    """(q, k (B, T, H, K), v (B, T, H, V), all fp16, beta, log_decay, sign, initial_state, scale (1,), all fp32)
    -> (out (B, T, H, V) fp16, final_state (B, H, K, V) fp32).

    `forward` and `backward` take and return what kernels.forward and kernels.backward do.
    """

    def __init__(self, chunk_size: int, forward, backward):
        super().__init__()
        self.chunk_size = chunk_size
        self.decays, self.forward, self.with_gradient = Decays(chunk_size), forward, WithGradient(backward)

    def construct(self, q, k, v, beta, log_decay, sign, initial_state, scale):
        check_forms(form(q), form(v))
        num_steps = q.shape[1]
        decays, signs = self.decays(*[ops.stop_gradient(x) for x in (beta, log_decay, sign)])
        q, k, v = [filled_up(x, self.chunk_size) for x in ((q * scale).astype(q.dtype), k, v)]
        v = (v * signs).astype(v.dtype)
        arguments = [ops.stop_gradient(x) for x in (q, k, v, *decays[: kernels.NUM_FORWARD_DECAYS], initial_state)]
        results = self.forward(*arguments)
        out, final_state = self.with_gradient(q, k, v, beta, log_decay, initial_state, decays, results)
        return (out * signs).astype(out.dtype)[:, :num_steps], final_state


class WithGradient(nn.Cell):
    """Passes on out and final_state and gives them their gradient.

    It is apart from the forward launch because MindSpore compiles no control flow in a Cell that has a `bprop`, and because
    the gradient needs what the forward kernel keeps.
    """

    def __init__(self, backward):
        super().__init__()
        self.backward, self.gradients = backward, Gradients()

    def construct(self, q, k, v, beta, log_decay, state, decays, results):
        return results[0], results[1]

    def bprop(self, q, k, v, beta, log_decay, state, decays, results, outputs, d_outputs):
        d_q, d_k, d_v, d_state, sums = self.backward(q, k, v, *decays, results[2], d_outputs[0], d_outputs[1])
        whole, minus_beta = decays[3], decays[7]
        d_beta, d_log_decay = self.gradients(sums, minus_beta, whole)
        nothing = [ops.zeros_like(x) for x in decays], [ops.zeros_like(x) for x in results]
        d_beta, d_log_decay = by_tokens(d_beta, beta.shape), by_tokens(d_log_decay, beta.shape)
        return d_q, d_k, d_v, d_beta, d_log_decay, d_state, tuple(nothing[0]), tuple(nothing[1])


def ascendc_rule(chunk_size: int) -> AscendcRule:
    return AscendcRule(chunk_size, kernels.forward(), kernels.backward())
