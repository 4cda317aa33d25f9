"""The Ascend C kernels on the simulator against the recurrence in float64, and how the host cuts their work."""

from __future__ import annotations

import struct

import mindspore as ms
import numpy as np
import pytest
from ascendc_errors import scan_errors
from mindspore import ops

from sfm_ms.ops import ascendc_sim, dispatch
from sfm_ms.ops.signed_scan import IMPLEMENTATIONS, reference
from sfm_ms.ops.signed_scan.ascendc.kernels import AscendcScan
from sfm_ms.ops.signed_scan.ascendc.simulated import KERNELS, scan

pytestmark = pytest.mark.skipif(bool(ascendc_sim.why_not()), reason=ascendc_sim.why_not())

TOLERANCE = {np.float16: 1e-3, np.float32: 1e-6}
UNIFIED_BYTES = {"910A": 248 * 1024, "910B": 184 * 1024}

PROBE = """
#include "kernel_operator.h"
#include "OP_HOST/scan_budget.h"

extern "C" __global__ __aicore__ void cut(GM_ADDR out, GM_ADDR workspace, GM_ADDR tiling)
{
    const __gm__ int32_t* given = reinterpret_cast<__gm__ int32_t*>(tiling);
    sfm::ScanTiling sizes = {given[0], given[1], given[2], 0, 0};
    sizes.channels_per_task = sfm::ChannelsPerTask(sizes, given[3]);
    sizes.steps_per_tile = sfm::StepsPerTile(sizes, given[4], given[5]);
    AscendC::GlobalTensor<int32_t> result;
    result.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(out));
    result.SetValue(0, sizes.channels_per_task);
    result.SetValue(1, sizes.steps_per_tile);
    result.SetValue(2, sfm::ScanTasks(sizes));
}
"""


def cut(shape, cores, memory, x_bytes=4):
    """(channels of a task, steps of a tile, tasks), as the host chooses them."""
    source = PROBE.replace("OP_HOST", str(KERNELS.with_name("op_host")))
    tiling = struct.pack("<6i", *shape, cores, memory, x_bytes)
    return tuple(ascendc_sim.simulate(source, "cut", "910A", [ascendc_sim.Output((3,), np.int32)], tiling=tiling).outputs[0])


@pytest.mark.parametrize("schedule", ["program", "random", "late_loads"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("chip", ["910A", "910B"])
def test_the_recurrence_in_both_directions(chip, dtype, schedule):
    for seed, shape in enumerate([(1, 1, 16), (2, 41, 80), (1, 100, 320), (3, 33, 64)]):
        rng = np.random.default_rng(seed)
        x, state = rng.normal(size=shape).astype(dtype), rng.normal(size=(shape[0], shape[2])).astype(np.float32)
        decay = rng.choice([-1, 1], shape) * np.exp(-rng.exponential(size=shape))
        decay[:, ::7] = 0
        decay = decay.astype(np.float32)
        for is_reversed in (False, True):
            step = -1 if is_reversed else 1
            report = scan(x, decay, state, is_reversed=is_reversed, chip=chip, schedule=schedule, seed=seed, num_blocks=2)
            true = reference.scan(x[:, ::step].astype(np.float64), decay[:, ::step].astype(np.float64), state)[:, ::step]
            assert np.linalg.norm(report.outputs[-1] - true) <= TOLERANCE[dtype] * np.linalg.norm(true)


def test_loading_overlaps_with_computing():
    rng = np.random.default_rng(0)
    x, decay = rng.normal(size=(2, 1, 400, 256)).astype(np.float32)
    report = scan(x, decay, x[:, 0])
    assert report.makespan < 0.8 * sum(report.busy.values())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("chip", UNIFIED_BYTES)
def test_as_many_steps_as_the_unified_buffer_holds(chip, dtype):
    x = np.zeros((1, 200, 256), dtype)
    decay, state = np.zeros(x.shape, np.float32), np.zeros((1, 256), np.float32)
    channels, steps, _ = cut(x.shape, 1, UNIFIED_BYTES[chip], x.itemsize)
    assert (channels, steps < 200) == (256, True)
    scan(x, decay, state, chip=chip, cut=(channels, steps))
    with pytest.raises(ascendc_sim.SimulationError) as error:
        scan(x, decay, state, chip=chip, cut=(channels, steps + 1))
    assert "capacity" in error.value.kinds


def test_every_core_has_a_task_and_what_does_not_fit_is_refused():
    memory = UNIFIED_BYTES["910A"]
    assert cut((1, 10, 4096), 32, memory) == (128, 10, 32)
    assert cut((8, 10, 4096), 32, memory) == (256, 10, 128)
    assert cut((1, 9999, 16), 32, memory) == (16, 566, 1)
    assert cut((1, 10, 4096), 32, 3000)[1] == 0


def launch(x, decay, state):
    return scan(x, decay, state).outputs[-1]


def launch_reversed(x, decay, state):
    return scan(x, decay, state, is_reversed=True).outputs[-1]


def simulated_scan(is_reversed):
    function = launch_reversed if is_reversed else launch
    return AscendcScan(ops.Custom(function, lambda x, decay, state: x, ms.float32, func_type="pyfunc"))


@pytest.fixture
def on_the_simulator(monkeypatch):
    monkeypatch.setitem(IMPLEMENTATIONS, "ascendc", dispatch.Implementation(simulated_scan, lambda: ""))


@pytest.mark.parametrize("num_channels", [48, 21, 1])
def test_the_operator_and_its_gradient(on_the_simulator, num_channels):
    found = scan_errors((2, 37, num_channels), np.float32)
    assert all(error <= 1e-5 for error in found.values()), found
