"""Layouts and numbers: kernels without a mistake against NumPy, on both chips and under every schedule."""

from pathlib import Path

import numpy as np
import pytest

from sfm_ms.ops.ascendc_sim import SCHEDULES, Output, simulate

KERNELS = Path(__file__).with_name("kernels")
VECTORS, CUBES = KERNELS / "vectors.cpp", KERNELS / "cubes.cpp"


def words(*values):
    return np.array(values, np.uint32).tobytes()


def matmul(chip, a, b, **options):
    (m, k), n = a.shape, b.shape[1]
    result = simulate(CUBES, "matmul", chip, [a, b, Output((m, n), np.float32)], tiling=words(m, n, k), **options)
    return result.outputs[2], result


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_double_buffered_queues_are_clean_under_every_schedule(chip, random, schedule):
    x, y = random.standard_normal((2, 1024)).astype(np.float32)
    for seed in range(3):
        report = simulate(
            VECTORS,
            "tiled_add",
            chip,
            [x, y, Output(x.shape, x.dtype)],
            tiling=words(1024, 128, 2),
            schedule=schedule,
            seed=seed,
        )
        np.testing.assert_array_equal(report.outputs[2], x + y)
        assert not report.warnings


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_scalar_unit_orders_what_it_issues_after_a_wait(chip, random, schedule, sign):
    x = random.standard_normal(128).astype(np.float32)
    x[63] = sign
    for seed in range(4):
        arguments = [x, Output((128,), np.float32)]
        report = simulate(VECTORS, "scalar_orders_pipes", chip, arguments, schedule=schedule, seed=seed)
        np.testing.assert_array_equal(report.outputs[1], np.concatenate([2 * x[:63], [sign], x[64:]]))


@pytest.mark.parametrize("m, n, k", [(64, 32, 48), (16, 16, 16), (48, 80, 128)])
def test_matmul_of_many_fractals(chip, random, m, n, k):
    """ND -> NZ -> zZ and nZ -> NZ -> ND. Small integers make every order of additions exact."""
    a = random.integers(-8, 9, (m, k)).astype(np.float16)
    b = random.integers(-8, 9, (k, n)).astype(np.float16)
    c, report = matmul(chip, a, b)
    np.testing.assert_array_equal(c, a.astype(np.float32) @ b.astype(np.float32))
    assert report.cube_flop == 2 * m * n * k
    assert report.gm_bytes == 2 * (m * k + k * n) + 4 * m * n


def test_accumulation_is_float_and_its_order_is_not_promised(chip, random):
    a = random.standard_normal((16, 128)).astype(np.float16)
    b = random.standard_normal((128, 16)).astype(np.float16)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    in_order, _ = matmul(chip, a, b)
    drawn = [matmul(chip, a, b, random_accumulation=True, seed=seed)[0] for seed in range(2)]
    again, _ = matmul(chip, a, b, random_accumulation=True, seed=0)
    np.testing.assert_array_equal(drawn[0], again)
    assert not np.array_equal(drawn[0], in_order) and not np.array_equal(drawn[0], drawn[1])
    for result in (in_order, *drawn):
        np.testing.assert_allclose(result, exact, atol=1e-4)
    left_to_right = np.zeros((16, 16), np.float32)
    for i in range(128):
        left_to_right += np.outer(a[:, i].astype(np.float32), b[i].astype(np.float32))
    np.testing.assert_array_equal(in_order, left_to_right)


def vector_suite(chip, x, y, **options):
    rows = [Output((13, 128), np.float32), Output((6, 128), np.float16)]
    return simulate(VECTORS, "vector_suite", chip, [x, y, *rows], **options).outputs[2:]


@pytest.fixture(scope="module", params=["910A", "910B"])
def suite(request):
    """Rows that the vector suite makes, and the x and y it makes them of."""
    random = np.random.default_rng(1)
    x = random.standard_normal(128).astype(np.float32)
    y = random.uniform(0.5, 4.0, 128).astype(np.float32)
    return x, y, *vector_suite(request.param, x, y)


def test_float_instructions(suite):
    x, y, rows, _ = suite
    expected = [x - y, x * y, x / y, np.maximum(x, y), np.float32(1.5) * x + np.float32(0.25)]
    np.testing.assert_array_equal(rows[:5], expected)
    np.testing.assert_allclose(rows[5:8], [np.exp(x), np.log(y), np.sqrt(y)], rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(rows[8], 2 - 3 * x.astype(np.float64), rtol=1e-6, atol=1e-6)


def test_half_instructions_round_once_to_nearest_even(suite):
    x, y, _, rows = suite
    hx, hy = x.astype(np.float16), y.astype(np.float16)
    np.testing.assert_array_equal(rows[0], hx + hy)
    np.testing.assert_array_equal(rows[1], hx * hy)
    np.testing.assert_array_equal(rows[2], (1 / hy.astype(np.float32)).astype(np.float16))
    np.testing.assert_array_equal(rows[4], np.where(hx < hy, hx, hy))


def test_cast_to_odd_keeps_inexactness_in_the_last_bit(suite):
    x, _, _, rows = suite
    odd = rows[3]
    inexact = odd.astype(np.float32) != x
    assert inexact.any()
    assert (odd.view(np.uint16)[inexact] & 1).all()
    assert (np.abs(odd.astype(np.float64) - x) < np.spacing(np.abs(odd)).astype(np.float64)).all()


def test_sums_add_as_a_tree_in_half(suite):
    x, y, _, rows = suite
    hx, hy = x.astype(np.float16), y.astype(np.float16)

    def tree(values):
        while len(values) > 1:
            values = values[0::2] + values[1::2]
        return values[0]

    assert rows[5, 0] == tree(hx)
    np.testing.assert_array_equal(rows[5, 16:24], [tree(block) for block in hx.reshape(8, 16)])
    assert rows[5, 32] == tree(hy)
    assert abs(float(rows[5, 32]) - hy.astype(np.float64).sum()) < 0.5


def test_masks_repeats_and_strides(suite):
    x, y, rows, _ = suite
    np.testing.assert_array_equal(rows[9], (x.reshape(2, 64) + y[:64]).ravel())
    lanes = np.arange(64)
    np.testing.assert_array_equal(rows[10], ((x * y).reshape(2, 64) * (lanes < 5)).ravel())
    np.testing.assert_array_equal(rows[11], (np.abs(x).reshape(2, 64) * (lanes % 2 == 0)).ravel())
    np.testing.assert_array_equal(rows[12], x.astype(np.float16).astype(np.float32))


def test_a_product_stays_on_the_chip_as_an_operand(chip, random):
    """L0C -> UB -> L1 -> L0A on the 910A, L0C -> L1 -> L0A on the 910B, rounded to half on the way; relu on the way out."""
    a, b = (random.integers(-3, 4, (32, 32)).astype(np.float16) for _ in range(2))
    report = simulate(CUBES, "chained_matmul", chip, [a, b, Output((32, 32), np.float16)])
    product = (a.astype(np.float32) @ b.astype(np.float32)).astype(np.float16)
    expected = np.maximum(product.astype(np.float32) @ b.astype(np.float32), 0)
    np.testing.assert_array_equal(report.outputs[2], expected.astype(np.float16))


def test_transposes_of_blocks(chip, random):
    x = random.standard_normal((2, 16, 16)).astype(np.float16)
    report = simulate(VECTORS, "transposes", chip, [x, Output((3, 16, 16), np.float16)])
    np.testing.assert_array_equal(report.outputs[1], [x[0].T, x[1].T, x[0].T])


def test_what_only_the_910b_has(random):
    x = random.standard_normal(64).astype(np.float32)
    y, rows = np.zeros(304, np.float32), Output((30,), np.float32)
    report = simulate(VECTORS, "only_910b", "910B", [x, y, rows])
    y, narrow = report.outputs[1:]
    rows_of_ten = np.stack([x[12 * i : 12 * i + 10] for i in range(3)])  # 40 bytes, then a gap of 8
    np.testing.assert_array_equal(narrow, rows_of_ten.ravel())
    np.testing.assert_array_equal(y[:64], np.repeat(x[:8], 8))
    np.testing.assert_array_equal(y[64:128], x[::-1])
    np.testing.assert_array_equal(y[128:192], np.clip(x, 0, 0.5))
    np.testing.assert_array_equal(y[192:256], x + (np.arange(64) < 20))
    padded = y[256:].reshape(3, 16)
    np.testing.assert_array_equal(padded[:, :10], rows_of_ten)
    np.testing.assert_array_equal(padded[:, 10:], 9.0)


@pytest.mark.parametrize("overflow, limit", [(None, 65504), ("saturate", 65504), ("inf", np.inf)])
def test_half_beyond_its_range(overflow, limit):
    """The 910A saturates unless told otherwise."""
    a = np.full((32, 32), 100, np.float16)
    report = simulate(CUBES, "chained_matmul", "910A", [a, a, Output((32, 32), np.float16)], overflow=overflow)
    np.testing.assert_array_equal(report.outputs[2], np.float16(limit))


def test_functions_can_be_off_by_last_places(random):
    x, y = random.uniform(0.5, 2.0, (2, 128)).astype(np.float32)
    exact, blurred = vector_suite("910A", x, y)[0], vector_suite("910A", x, y, math_ulps=2, seed=1)[0]
    off = np.abs(blurred - exact) / np.spacing(np.abs(exact))
    assert 0 < off[5:8].max() <= 2
    assert not off[:5].any()
