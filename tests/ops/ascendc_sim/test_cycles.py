"""The cycle model: what it must get right whatever its constants are."""

from pathlib import Path

import numpy as np
import pytest

from sfm_ms.ops.ascendc_sim import Output, simulate

KERNELS = Path(__file__).with_name("kernels")


def tiled_add(chip, length, tile, buffers, **options):
    x = np.ones(length, np.float32)
    tiling = np.array([length, tile, buffers], np.uint32).tobytes()
    return simulate(KERNELS / "vectors.cpp", "tiled_add", chip, [x, x, Output((length,), np.float32)], tiling=tiling, **options)


def test_a_second_buffer_hides_work_behind_loads(chip):
    single, double = tiled_add(chip, 8192, 1024, 1), tiled_add(chip, 8192, 1024, 2)
    assert double.makespan < 0.9 * single.makespan
    assert double.busy == single.busy


def test_no_schedule_beats_the_busiest_pipe(chip):
    report = tiled_add(chip, 8192, 1024, 2)
    assert report.bound <= report.makespan
    assert max(report.utilisation.values()) <= 1
    assert report.seconds == pytest.approx(report.makespan / (report.ghz * 1e9))


def test_the_model_does_not_depend_on_the_order_of_execution(chip):
    in_order = tiled_add(chip, 2048, 256, 2)
    drawn = tiled_add(chip, 2048, 256, 2, schedule="random", seed=5)
    assert drawn.makespan == pytest.approx(in_order.makespan)


def test_long_copies_run_at_the_rate_of_the_chip():
    """The 910A moves 32 bytes a cycle from GM."""
    short, long = tiled_add("910A", 8192, 4096, 2), tiled_add("910A", 16384, 4096, 2)
    added_bytes = 2 * 4 * 8192
    assert long.busy["MTE2"] - short.busy["MTE2"] == pytest.approx(added_bytes / 32, rel=0.02)


def test_cube_time_is_the_number_of_fractal_products(chip):
    a, b = np.ones((64, 128), np.float16), np.ones((128, 32), np.float16)
    tiling = np.array([64, 32, 128], np.uint32).tobytes()
    report = simulate(KERNELS / "cubes.cpp", "matmul", chip, [a, b, Output((64, 32), np.float32)], tiling=tiling)
    assert 0 <= report.busy["M"] - 4 * 2 * 8 <= 16
    assert report.cube_flop == 2 * 64 * 32 * 128
    assert report.cube_flop / report.chip.cube_flop_rate == 4 * 2 * 8
    assert "model" in str(report)
