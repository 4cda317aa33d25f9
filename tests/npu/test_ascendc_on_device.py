"""Both operators with impl="ascendc" on an Ascend device against the float64 reference: outputs and all gradients."""

from __future__ import annotations

import mindspore
import numpy as np
import pytest
from ascendc_errors import rule_errors, scan_errors

DEVICE = mindspore.get_context("device_target")
HOW = "where there is Ascend, build the operators with tools/build_ascend_ops.sh and run SFM_DEVICE=Ascend pytest -n0 tests/npu"
pytestmark = [pytest.mark.npu, pytest.mark.skipif(DEVICE != "Ascend", reason=f"the device is {DEVICE}; {HOW}")]

RULES = [  # batch, time, heads, key width, value width; chunk
    ((1, 1, 1, 16, 16), 16),
    ((2, 100, 2, 16, 48), 16),
    ((1, 257, 1, 64, 32), 32),
    ((1, 130, 2, 64, 64), 64),
    ((1, 200, 1, 128, 128), 64),
    ((4, 2048, 16, 128, 128), 64),  # more sequences than a 910 has cores
]


@pytest.mark.parametrize(("sizes", "chunk_size"), RULES, ids=str)
def test_the_gated_delta_rule(sizes, chunk_size):
    found = rule_errors(sizes, chunk_size)
    limit = 2e-3 if sizes[1] > 1 else 5e-3  # as on the simulator
    assert all(error <= limit for error in found.values()), found


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("shape", [(1, 1, 16), (2, 41, 80), (1, 100, 320), (3, 5000, 64), (8, 1000, 2048)], ids=str)
def test_the_signed_scan(shape, dtype):
    found = scan_errors(shape, dtype)
    assert all(error <= (1e-3 if dtype == np.float16 else 1e-5) for error in found.values()), found
