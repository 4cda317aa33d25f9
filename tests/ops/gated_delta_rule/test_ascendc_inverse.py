"""Inverses of unit lower triangular matrices in Ascend C, alone: 16 x 16 tiles, and chunks merged from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ascendc_errors import unit_keys
from mindspore import Tensor

from sfm_ms.ops import ascendc_sim
from sfm_ms.ops.ascendc_sim import Output, simulate
from sfm_ms.ops.gated_delta_rule.ascendc.arguments import mask, minus_identity, of_columns, of_rows
from sfm_ms.ops.gated_delta_rule.ascendc.simulated import GLOBAL_BYTES, tiling

pytestmark = pytest.mark.skipif(bool(ascendc_sim.why_not()), reason=ascendc_sim.why_not())

FOLDER = Path(__file__).parent
LANES, TILE = 64, 16  # as in op_kernel/tiling.h
KEY_DIM = 64
KEYS_ALIKE = {"drawn": 0.0, "nearly equal": 0.99, "equal": 1.0}  # the share of one direction


def betas(shape, alike, rng):
    return rng.uniform(0, 2, shape) if alike == 0 else np.full(shape, 2.0)


def relative_errors(got, true):
    """Of each matrix, by norms."""
    return np.linalg.norm(got - true, axis=(-2, -1)) / np.linalg.norm(true, axis=(-2, -1))


def to_lanes(tiles):
    """(M, 16, 16) -> (M / 64 rounded up, 16, 16, 64), with zeros where there is no tile."""
    filled = np.concatenate([tiles, np.zeros((-len(tiles) % LANES, TILE, TILE), tiles.dtype)])
    return np.ascontiguousarray(filled.reshape(-1, LANES, TILE, TILE).transpose(0, 2, 3, 1))


def from_lanes(lanes, num_tiles):
    return lanes.transpose(0, 3, 1, 2).reshape(-1, TILE, TILE)[:num_tiles]


def inverses_of_tiles(a, chip, **launch):
    """(M, 16, 16) strictly lower -> (I + A)^-1, as the kernel computes it."""
    lanes = to_lanes(-a)
    arguments = [lanes, Output(lanes.shape, np.float32)]
    num_groups = np.int32(len(lanes)).tobytes()
    report = simulate(FOLDER / "unit_lower_inverse_kernel.cpp", "invert_tiles", chip, arguments, tiling=num_groups, **launch)
    return from_lanes(report.outputs[1], len(a))


@pytest.mark.parametrize("schedule", ascendc_sim.SCHEDULES)
@pytest.mark.parametrize("chip", ["910A", "910B"])
@pytest.mark.parametrize("alike", KEYS_ALIKE.values(), ids=KEYS_ALIKE)
def test_tiles(alike, chip, schedule):
    rng = np.random.default_rng(0)
    for num_tiles in (1, 64, 150):
        k = unit_keys((num_tiles, TILE, KEY_DIM), alike, rng)
        a = np.tril(k @ k.swapaxes(1, 2) * betas((num_tiles, 1, TILE), alike, rng), -1).astype(np.float32)
        got = inverses_of_tiles(a, chip, schedule=schedule, seed=num_tiles, num_blocks=2)
        true = np.linalg.inv(np.eye(TILE) + a.astype(np.float64))
        assert relative_errors(got, true).max() <= 1e-6
        assert np.array_equal(got, np.tril(got))
        assert alike < 1 or abs(np.abs(got).max() - 2) <= 1e-4  # A's entries are 2, powers of it would overflow


@pytest.mark.parametrize("chip", ["910A", "910B"])
def test_tiles_go_to_lanes_and_back(chip):
    tiles = np.random.default_rng(0).normal(size=(LANES, TILE * TILE)).astype(np.float16)
    arguments = [tiles, Output(tiles.T.shape, np.float16), Output(tiles.shape, np.float16)]
    report = simulate(FOLDER / "unit_lower_inverse_kernel.cpp", "carry_tiles", chip, arguments, block="vector")
    assert np.array_equal(report.outputs[1], tiles.T) and np.array_equal(report.outputs[2], tiles)


def inverses_of_chunks(k, beta, chunk_size, chunks_per_group, chip, **launch):
    """Keys (B, T, 1, K), betas (B, T, 1) -> T = (I + A)^-1, (B, M, C, C), as the kernel computes it."""
    num_batch, num_chunks = len(k), k.shape[1] // chunk_size
    rows, columns = (x.asnumpy() for x in (of_rows(Tensor(0 * beta)), of_columns(Tensor(np.log(beta)))))
    t = Output((num_batch, num_chunks, chunk_size // TILE, chunk_size, TILE), np.float32)
    arguments = [k, k, rows, columns, mask(chunk_size), minus_identity(chunk_size), t]
    sizes = tiling(1, num_batch, num_chunks, chunks_per_group, chunk_size, KEY_DIM, KEY_DIM)
    launch |= {"tiling": sizes, "workspace_bytes": 2 * GLOBAL_BYTES, "num_blocks": 2}
    report = simulate(FOLDER / "preparation_kernel.cpp", "invert_chunks", chip, arguments, **launch)
    return -report.outputs[-1].swapaxes(2, 3).reshape(num_batch, num_chunks, chunk_size, chunk_size)


@pytest.mark.parametrize("schedule", ascendc_sim.SCHEDULES)
@pytest.mark.parametrize("chunk_size", [16, 32, 64])
@pytest.mark.parametrize("alike", KEYS_ALIKE.values(), ids=KEYS_ALIKE)
@pytest.mark.parametrize("chip", ["910A", "910B"])
def test_chunks(chip, alike, chunk_size, schedule):
    """Chunks are prepared in threes, and two are left: most lanes are empty."""
    rng = np.random.default_rng(0)
    k = unit_keys((2, 5 * chunk_size, 1, KEY_DIM), alike, rng).astype(np.float16)
    beta = betas(k.shape[:3], alike, rng).astype(np.float32)
    got = inverses_of_chunks(k, beta, chunk_size, 3, chip, schedule=schedule)
    k, beta = (x.reshape(2, 5, chunk_size, -1).astype(np.float64) for x in (k, beta))
    a = np.tril(k @ k.swapaxes(2, 3) * beta.swapaxes(2, 3), -1)
    true = np.linalg.inv(np.eye(chunk_size) + a)
    assert relative_errors(got, true).max() <= 3e-5  # merging leaves out the product of the two low halves
    assert alike < 1 or np.abs(got).max() <= 2.05  # keys are unit vectors up to the rounding of halves
