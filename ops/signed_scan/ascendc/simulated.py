"""The Ascend C kernels on the simulator (sfm_ms.ops.ascendc_sim): NumPy arrays in and out."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from sfm_ms.ops.ascendc_sim import Output, Report, simulate

KERNELS = Path(__file__).with_name("op_kernel")
MOST_CHANNELS = 256  # of a task
TILE = 4096  # numbers that are in the unified buffer at once, of each of x, decay and out


def scan(x, decay, state, *, is_reversed=False, chip="910A", cut=None, **launch) -> Report:
    """x (B, T, D) fp16 or fp32, decay (B, T, D) and state (B, D) fp32; the states (B, T, D) are the last of the outputs.

    D is a multiple of 16. `cut` is (channels of a task, steps of a tile), by default small enough for both chips. `launch` are
    options of `simulate`: num_blocks, schedule, seed and so on.
    """
    channels = min(MOST_CHANNELS, x.shape[2])
    tiling = struct.pack("<5i", *x.shape, *(cut or (channels, max(1, TILE // channels))))
    kernel = "signed_scan_reversed" if is_reversed else "signed_scan"
    defines = ["DTYPE_X=half"] if x.dtype == np.float16 else []
    arguments = [x, decay, state, Output(x.shape, x.dtype)]
    return simulate(KERNELS / f"{kernel}.cpp", kernel, chip, arguments, tiling=tiling, defines=defines, **launch)
