"""The Ascend C kernels on the simulator against the float64 reference: outputs, all gradients, and nothing that breaks a rule."""

from __future__ import annotations

import numpy as np
import pytest
from ascendc_errors import unit_keys

from sfm_ms.ops import ascendc_sim
from sfm_ms.ops.gated_delta_rule import reference
from sfm_ms.ops.gated_delta_rule.ascendc.simulated import Simulated

pytestmark = pytest.mark.skipif(bool(ascendc_sim.why_not()), reason=ascendc_sim.why_not())

NAMES = ("out", "final_state", *(f"d_{name}" for name in reference.Gradients._fields))
SIZES = [  # batch, time, heads, key width, value width, chunk
    (1, 1, 1, 16, 16, 16),
    (2, 100, 2, 16, 48, 16),
    (1, 257, 1, 64, 32, 32),
    (1, 130, 2, 64, 64, 64),
    (1, 200, 1, 128, 128, 64),
    (1, 63, 1, 128, 64, 64),
    (1, 70, 1, 16, 16, 64),
]


def arguments(sizes, keys_alike=0.0, beta=None, is_signed=True, is_gated=True, seed=0):
    """q, k, v, beta, log_decay, sign, initial_state. `keys_alike` is the share of one direction; no beta means any in [0, 2]."""
    num_batch, time, num_heads, key_dim, value_dim, _ = sizes
    rng = np.random.default_rng(seed)
    k = unit_keys((num_batch, time, num_heads, key_dim), keys_alike, rng)
    q, v = rng.normal(size=k.shape) / np.sqrt(key_dim), rng.normal(size=(*k.shape[:3], value_dim))
    betas = rng.uniform(0, 2, k.shape[:3]) if beta is None else np.full(k.shape[:3], beta)
    log_decay = -rng.uniform(0, 0.2, k.shape[:3]) * is_gated
    sign = np.where(is_signed & (rng.random(k.shape[:3]) < 0.5), -1.0, 1.0)
    state = rng.normal(size=(num_batch, num_heads, key_dim, value_dim)) / 4
    return [x.astype(np.float16) for x in (q, k, v)] + [x.astype(np.float32) for x in (betas, log_decay, sign, state)]


def errors(given, chunk_size, seed=1, **launch):
    """The relative error of norms of every output and gradient."""
    rng = np.random.default_rng(seed)
    d_out = rng.normal(size=given[2].shape).astype(np.float16)
    d_final_state = rng.normal(size=given[-1].shape).astype(np.float32)
    call = Simulated(*given, chunk_size=chunk_size, **launch)
    got = [*call.forward(), *call.backward(d_out, d_final_state)]
    exact = [array.astype(np.float64) for array in given]
    true = [*reference.gated_delta_rule(*exact), *reference.gated_delta_rule_backward(d_out, d_final_state, *exact)]
    assert all(x.shape == y.shape for x, y in zip(got, true, strict=True))
    return {name: np.linalg.norm(x - y) / np.linalg.norm(y) for name, x, y in zip(NAMES, got, true, strict=True)}


@pytest.mark.parametrize("chip", ["910A", "910B"])
@pytest.mark.parametrize("schedule", ["program", "random", "late_loads"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_outputs_and_gradients(sizes, schedule, chip):
    for seed, is_plain in enumerate([False] if schedule == "program" else [False, True]):
        given = arguments(sizes, is_signed=not is_plain, is_gated=not is_plain, seed=seed)
        order = {"schedule": schedule, "seed": seed, "random_accumulation": schedule == "random"}
        found = errors(given, sizes[-1], chip=chip, **order)
        assert all(error <= 2e-3 for error in found.values()), found


@pytest.mark.parametrize(("keys_alike", "beta"), [(0.9, 2.0), (0.99, 2.0), (1.0, 1.9), (1.0, 2.0)])
@pytest.mark.parametrize(("chip", "chunk_size"), [("910A", 16), ("910A", 64), ("910B", 64)])
def test_keys_that_are_nearly_equal(keys_alike, beta, chip, chunk_size):
    for is_gated in (False, True):
        given = arguments((1, 200, 1, 64, 64, chunk_size), keys_alike, beta, is_signed=False, is_gated=is_gated)
        found = errors(given, chunk_size, chip=chip, schedule="random", random_accumulation=True)
        assert all(error <= 5e-3 for error in found.values()), found


@pytest.mark.parametrize(("chip", "cores_per_block"), [("910A", 1), ("910B", 3)])
def test_cores_share_the_sequences(chip, cores_per_block):
    given = arguments((2, 40, 3, 16, 16, 16))
    alone, shared = (Simulated(*given, chunk_size=16, chip=chip, num_blocks=blocks) for blocks in (1, 4))
    assert all(np.array_equal(x, y) for x, y in zip(alone.forward(), shared.forward(), strict=True))
    assert len(shared.forward_launch.cores) == 4 * cores_per_block
    assert shared.forward_launch.makespan < 0.6 * alone.forward_launch.makespan
