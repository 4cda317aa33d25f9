"""The Ascend C kernel on the simulator against the recurrence in float64."""

from __future__ import annotations

import numpy as np
import pytest

from sfm_ms.ops import ascendc_sim
from sfm_ms.ops.signed_scan import reference
from sfm_ms.ops.signed_scan.ascendc.simulated import scan

pytestmark = pytest.mark.skipif(bool(ascendc_sim.why_not()), reason=ascendc_sim.why_not())

TOLERANCE = {np.float16: 1e-3, np.float32: 1e-6}


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
