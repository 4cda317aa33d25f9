"""The Ascend C kernel on the simulator (sfm_ms.ops.ascendc_sim): NumPy arrays in and out."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from sfm_ms.ops.ascendc_sim import Output, Report, simulate

KERNEL = Path(__file__).with_name("op_kernel") / "signed_scan.cpp"
MOST_CHANNELS = 256  # of a task
TILE = 4096  # numbers that are in the unified buffer at once, of each of x, decay and out


def scan(x, decay, state, *, is_reversed=False, chip="910A", **launch) -> Report:
    """x (B, T, D) fp16 or fp32, decay (B, T, D) and state (B, D) fp32; the states (B, T, D) are the last of the outputs.

    D is a multiple of 16. `launch` are options of `simulate`: num_blocks, schedule, seed and so on.
    """
    num_batch, num_steps, num_channels = x.shape
    channels = min(MOST_CHANNELS, num_channels)
    tiling = struct.pack("<6i", num_batch, num_steps, num_channels, channels, max(1, TILE // channels), is_reversed)
    kernel = "signed_scan_half" if x.dtype == np.float16 else "signed_scan_float"
    return simulate(KERNEL, kernel, chip, [x, decay, state, Output(x.shape, x.dtype)], tiling=tiling, **launch)
