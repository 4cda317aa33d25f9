"""The Ascend C kernels on the simulator (sfm_ms.ops.ascendc_sim): NumPy arrays in and out, as the reference has them."""

from __future__ import annotations

import functools
import struct
from pathlib import Path

import numpy as np
from mindspore import Tensor

from sfm_ms.ops.ascendc_sim import Output, Report, simulate
from sfm_ms.ops.gated_delta_rule.ascendc.arguments import Decays, Gradients, by_tokens, filled_up
from sfm_ms.ops.gated_delta_rule.ascendc.kernels import NUM_FORWARD_DECAYS, backward_shapes, forward_shapes

KERNELS = Path(__file__).with_name("op_kernel")
FORWARD_TYPES = (np.float16, np.float32, np.float16)
BACKWARD_TYPES = (np.float16, np.float16, np.float16, np.float32, np.float32)
GLOBAL_BYTES = 96 * 1024  # of a block's workspace, PATHS_BYTES in op_kernel/tiling.h

BUDGET = f"""
#include "{KERNELS}/chip.h"
#include "{KERNELS.with_name("op_host")}/budget.h"

void Answer(GM_ADDR out, GM_ADDR tiling, bool is_backward)
{{
    sfm::CoreMemories core;
    core.num_shares = sfm::NUM_SHARES;
    core.bytes = {{sfm::L1_BYTES, sfm::UNIFIED_BYTES, sfm::L0C_BYTES, sfm::L0_BYTES / 2}};
    AscendC::GlobalTensor<int32_t> result;
    result.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(out));
    result.SetValue(0, sfm::ChunksPerGroup(*reinterpret_cast<__gm__ sfm::Tiling*>(tiling), core, is_backward));
}}

extern "C" __global__ __aicore__ void gated_delta_rule_forward(GM_ADDR out, GM_ADDR workspace, GM_ADDR tiling)
{{
    Answer(out, tiling, false);
}}

extern "C" __global__ __aicore__ void gated_delta_rule_backward(GM_ADDR out, GM_ADDR workspace, GM_ADDR tiling)
{{
    Answer(out, tiling, true);
}}
"""


def tiling(num_heads, num_sequences, num_chunks, chunks_per_group, chunk_size, key_dim, value_dim) -> bytes:
    """The struct of op_kernel/tiling.h."""
    return struct.pack("<7i", num_heads, num_sequences, num_chunks, chunks_per_group, chunk_size, key_dim, value_dim)


@functools.cache
def chunks_per_group(kernel: str, chip: str, *sizes: int) -> int:
    """What the host chooses; `sizes`: chunks, their length, widths of keys and values."""
    launch = {"tiling": tiling(1, 1, sizes[0], 0, *sizes[1:]), "block": "cube"}
    return int(simulate(BUDGET, kernel, chip, [Output((1,), np.int32)], **launch).outputs[0][0])


def forward(arguments, chip="910A", **launch) -> Report:
    """The forward kernel on what kernels.forward takes, as NumPy arrays; its results are the last three outputs."""
    outputs = map(Output, forward_shapes(*(x.shape for x in arguments)), FORWARD_TYPES)
    return launched("gated_delta_rule_forward", arguments, outputs, chip, launch)


def backward(arguments, chip="910A", **launch) -> Report:
    """The backward kernel on what kernels.backward takes; its results are the last five outputs."""
    outputs = map(Output, backward_shapes(*(x.shape for x in arguments)), BACKWARD_TYPES)
    return launched("gated_delta_rule_backward", arguments, outputs, chip, launch)


def launched(kernel, arguments, outputs, chip, launch) -> Report:
    num_heads, key_dim = arguments[0].shape[2:]
    num_sequences, num_chunks, chunk_size, _ = arguments[3].shape
    value_dim = arguments[2].shape[3]
    group = chunks_per_group(kernel, chip, num_chunks, chunk_size, key_dim, value_dim)
    struct_bytes = tiling(num_heads, num_sequences, num_chunks, group, chunk_size, key_dim, value_dim)
    options = {"workspace_bytes": launch.get("num_blocks", 1) * GLOBAL_BYTES, **launch}
    return simulate(KERNELS / f"{kernel}.cpp", kernel, chip, [*arguments, *outputs], tiling=struct_bytes, **options)


class Simulated:
    """One call of the operator. q, k, v (fp16), beta, log_decay, sign, initial_state (fp32): shapes as in `gated_delta_rule`.

    `launch` are options of `simulate`: chip, num_blocks, schedule, seed and so on.
    """

    def __init__(self, q, k, v, beta, log_decay, sign, initial_state, *, chunk_size=64, **launch):
        self.initial_state, self.chunk_size, self.shape = initial_state, chunk_size, beta.shape
        self.launch, self.scale = launch, q.shape[3] ** -0.5
        arrays, signs = Decays(chunk_size)(*map(Tensor, (beta, log_decay, sign)))
        self.decays = [array.asnumpy() for array in arrays]
        self.signs = signs.asnumpy()
        scaled_q = (q * self.scale).astype(q.dtype)
        self.q, self.k, self.v = self.filled_up(scaled_q), self.filled_up(k), self.signed(self.filled_up(v))

    @functools.cached_property
    def forward_launch(self) -> Report:
        return forward([self.q, self.k, self.v, *self.decays[:NUM_FORWARD_DECAYS], self.initial_state], **self.launch)

    def forward(self) -> tuple[np.ndarray, np.ndarray]:
        """out (B, T, H, V), final_state (B, H, K, V)."""
        out, final_state, _ = self.forward_launch.outputs[-3:]
        return self.signed(out)[:, : self.shape[1]], final_state

    def backward_launch(self, d_out, d_final_state) -> Report:
        states = self.forward_launch.outputs[-1]
        return backward(
            [self.q, self.k, self.v, *self.decays, states, self.signed(self.filled_up(d_out)), d_final_state], **self.launch
        )

    def backward(self, d_out, d_final_state) -> list[np.ndarray]:
        """Gradients with respect to q, k, v, beta, log_decay and the initial state."""
        d_q, d_k, d_v, d_state, sums = self.backward_launch(d_out, d_final_state).outputs[-5:]
        minus_beta, whole = self.decays[7], self.decays[3]
        of_decays = [by_tokens(x.asnumpy(), self.shape) for x in Gradients()(*map(Tensor, (sums, minus_beta, whole)))]
        d_q = (d_q * self.scale).astype(d_q.dtype)
        return [*(x[:, : self.shape[1]] for x in (d_q, d_k, self.signed(d_v))), *of_decays, d_state]

    def filled_up(self, x):
        return filled_up(Tensor(x), self.chunk_size).asnumpy()

    def signed(self, x):
        return (x * self.signs).astype(x.dtype)
