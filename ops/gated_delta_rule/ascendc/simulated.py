"""The Ascend C kernels on the simulator (sfm_ms.ops.ascendc_sim): NumPy arrays in and out, as the reference has them."""

from __future__ import annotations

import struct
from functools import cached_property
from pathlib import Path

import numpy as np
from mindspore import Tensor

from sfm_ms.ops.ascendc_sim import Output, Report, simulate
from sfm_ms.ops.gated_delta_rule.ascendc.arguments import Decays, Gradients

KERNELS = Path(__file__).with_name("op_kernel")
LANES, TILE = 64, 16  # tiles of N that are inverted at once, and their side


def tiling(num_heads, num_sequences, num_chunks, chunks_per_group, chunk_size, key_dim, value_dim, scale=1.0) -> bytes:
    """The struct of op_kernel/tiling.h; the forward kernel keeps what the gradient needs."""
    sizes = (num_heads, num_sequences, num_chunks, chunks_per_group, chunk_size, key_dim, value_dim)
    return struct.pack("<7ifi", *sizes, scale, True)


class Simulated:
    """One call of the operator. q, k, v (fp16), beta, log_decay, sign, initial_state (fp32): shapes as in `gated_delta_rule`.

    `launch` are options of `simulate`: num_blocks, schedule, seed and so on.
    """

    def __init__(self, q, k, v, beta, log_decay, sign, initial_state, *, chunk_size=64, chip="910A", **launch):
        self.initial_state, self.chip, self.launch, self.chunk_size = initial_state, chip, launch, chunk_size
        self.num_steps, self.scale = q.shape[1], q.shape[3] ** -0.5
        arrays, signs = Decays(chunk_size)(*map(Tensor, (beta, log_decay, sign, np.array([self.scale], np.float32))))
        self.decays = [array.asnumpy() for array in arrays]
        self.signs = signs.asnumpy()
        self.q, self.k, self.v = self.filled_up(q), self.filled_up(k), self.signed(self.filled_up(v))
        self.sizes = (*self.decays[0].shape[:2], chunk_size, q.shape[3], v.shape[3])

    @cached_property
    def forward_launch(self) -> Report:
        num_sequences, num_chunks, chunk_size, key_dim, value_dim = self.sizes
        outputs = [
            Output(self.v.shape, np.float16),
            Output(self.initial_state.shape, np.float32),
            Output((num_sequences, num_chunks, key_dim * value_dim), np.float16),
            Output((num_sequences, num_chunks, chunk_size * value_dim), np.float16),
        ]
        arguments = [self.q, self.k, self.v, *self.decays[:6], self.initial_state, *outputs]
        return self.simulate("gated_delta_rule_forward", arguments, LANES // (chunk_size // TILE))

    def forward(self) -> tuple[np.ndarray, np.ndarray]:
        """out (B, T, H, V), final_state (B, H, K, V)."""
        out, final_state, _, _ = self.forward_launch.outputs[-4:]
        return self.signed(out)[:, : self.num_steps], final_state

    def backward_launch(self, d_out, d_final_state) -> Report:
        num_sequences, num_chunks, chunk_size, _, value_dim = self.sizes
        outputs = [Output(array.shape, np.float16) for array in (self.q, self.k, self.v)]
        outputs.append(Output(self.initial_state.shape, np.float32))
        outputs.append(Output((num_sequences, num_chunks, 5 * chunk_size + value_dim), np.float32))
        saved = self.forward_launch.outputs[-2:]
        gradients = [self.signed(self.filled_up(d_out)), d_final_state]
        arguments = [self.q, self.k, *self.decays, *saved, *gradients, *outputs]
        return self.simulate("gated_delta_rule_backward", arguments, LANES // (chunk_size // TILE) // 2)  # as many fit in L1

    def backward(self, d_out, d_final_state) -> list[np.ndarray]:
        """Gradients with respect to q, k, v, beta, log_decay and the initial state."""
        d_q, d_k, d_v, d_state, sums = self.backward_launch(d_out, d_final_state).outputs[-5:]
        minus_beta, whole = self.decays[7], self.decays[3]
        d_beta, d_log_decay = (self.by_tokens(x.asnumpy()) for x in Gradients()(*map(Tensor, (sums, minus_beta, whole))))
        return [*(x[:, : self.num_steps] for x in (d_q, d_k, self.signed(d_v))), d_beta, d_log_decay, d_state]

    def simulate(self, kernel: str, arguments, chunks_per_group: int) -> Report:
        sizes = tiling(self.q.shape[2], *self.sizes[:2], chunks_per_group, *self.sizes[2:], self.scale)
        return simulate(KERNELS / f"{kernel}.cpp", kernel, self.chip, arguments, tiling=sizes, **self.launch)

    def filled_up(self, x):
        missing = -x.shape[1] % self.chunk_size
        return np.concatenate([x, np.zeros((x.shape[0], missing, *x.shape[2:]), x.dtype)], 1)

    def signed(self, x):
        return (x * self.signs).astype(x.dtype)

    def by_tokens(self, x_NMC):
        """(N, M, C) -> (B, T, H)."""
        num_batch, _, num_heads, _ = self.q.shape
        return x_NMC.reshape(num_batch, num_heads, -1).swapaxes(1, 2)[:, : self.num_steps]
