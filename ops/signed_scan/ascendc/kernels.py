"""The Ascend C kernels of the signed scan as operators."""

from __future__ import annotations

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


class AscendcScan(nn.Cell):
    """`kernel`, or what stands in for it, for any D: channels are filled up to a multiple of 16."""

    def __init__(self, kernel):
        super().__init__()
        self.kernel = kernel

    def construct(self, x, decay, state):
        num_channels = x.shape[2]
        if num_channels % 16 == 0:
            return self.kernel(x, decay, state)
        filled = [ops.concat((y, ops.zeros((*y.shape[:-1], -num_channels % 16), y.dtype)), -1) for y in (x, decay, state)]
        return self.kernel(*filled)[:, :, :num_channels]
