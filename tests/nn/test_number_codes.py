"""Number features carry sums and products in bilinear form, and codes tell numbers apart."""

import numpy as np
import pytest

from sfm_ms.nn.number_codes import LINEAR_PERIODS, LOG2_PERIODS, NUM_FEATURES, OCTAVES, NumberCodes, number_features


def test_shape_and_learned_rest():
    codes = NumberCodes(101, 60, np.random.default_rng(0))
    assert codes().shape == (101, 60) and codes.learned_CL.shape == (101, 60 - NUM_FEATURES)
    assert np.allclose(codes().asnumpy()[:, :NUM_FEATURES], number_features(np.arange(101), 101), atol=1e-6)


def test_a_sum_and_a_product_of_numbers_are_products_of_features():
    a, b = np.arange(1, 60), np.arange(60, 1, -1)
    features = {
        name: number_features(n, 101)[:, 1:].reshape(len(n), -1, 2)
        for name, n in (("a", a), ("b", b), ("sum", a + b), ("product", a * b))
    }
    sin_a, cos_a = features["a"][..., 0], features["a"][..., 1]
    sin_b, cos_b = features["b"][..., 0], features["b"][..., 1]
    sin, cos = sin_a * cos_b + cos_a * sin_b, cos_a * cos_b - sin_a * sin_b
    linear, logarithmic = slice(len(LINEAR_PERIODS)), slice(len(LINEAR_PERIODS), len(LINEAR_PERIODS) + len(LOG2_PERIODS))
    for part, expected in ((linear, features["sum"]), (logarithmic, features["product"])):
        assert np.allclose(sin[:, part], expected[:, part, 0], atol=1e-8) and np.allclose(
            cos[:, part], expected[:, part, 1], atol=1e-8
        )


@pytest.mark.parametrize("modulus", [11, 101])
def test_octaves_but_the_two_longest_add_modulo_the_number_of_numbers(modulus):
    numbers = np.arange(modulus)
    linear = slice(1 + 2 * 2, 1 + 2 * len(OCTAVES))
    assert np.allclose(number_features(numbers, modulus)[:, linear], number_features(numbers + modulus, modulus)[:, linear])


@pytest.mark.parametrize("num_numbers", [11, 101])
def test_neighbours_differ(num_numbers):
    features = number_features(np.arange(num_numbers), num_numbers)
    distances = np.linalg.norm(features[:, None] - features[None], axis=-1) + 9 * np.eye(num_numbers)
    assert distances.min() > 1
