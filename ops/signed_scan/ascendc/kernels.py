"""The Ascend C kernels of the signed scan as operators."""

from __future__ import annotations

import mindspore
from mindspore import dtype as mstype
from mindspore import nn, ops

from sfm_ms.ops import ascendc_operators

FORWARD, REVERSED = "SignedScan", "SignedScanReversed"


def why_not() -> str:
    return ascendc_operators.why_not(FORWARD, REVERSED)


def ascendc_scan(is_reversed: bool) -> AscendcScan:
    return AscendcScan(kernel(is_reversed))


def kernel(is_reversed: bool) -> ops.Custom:
    """(x, decay (B, T, D), state (B, D)) -> states (B, T, D), all fp32."""
    inputs = dict.fromkeys(("x", "decay", "state"), mstype.float32)
    op_type = REVERSED if is_reversed else FORWARD
    return ascendc_operators.operator(op_type, inputs, {"out": mstype.float32}, lambda x, decay, state: x)


@mindspore.constexpr
def check_channels(num_channels) -> None:
    if num_channels % 16 != 0:
        expected = "a last axis that is a multiple of 16, for impl='ascendc'"
        raise ValueError(f"x: expected {expected}, got {num_channels}; impl='chunked' takes others")


class AscendcScan(nn.Cell):
    """`kernel`, or what stands in for it, where D is a multiple of 16; ValueError where it is not."""

    def __init__(self, kernel):
        super().__init__()
        self.kernel = kernel

    def construct(self, x, decay, state):
        check_channels(x.shape[2])
        return self.kernel(x, decay, state)
