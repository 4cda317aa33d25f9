"""Positions as waves and as rotations."""

import numpy as np
from mindspore import Tensor

from sfm_ms.nn.positions import Angles, rotate, rotation, waves


def test_waves_are_sines_and_cosines_of_falling_frequencies():
    positions = np.array([[0, 1, 2, 700]], np.float32)
    added = waves(Angles(6)(Tensor(positions))).asnumpy()
    angles = positions[..., None] * 10_000.0 ** (-np.arange(3) / 3)
    assert np.allclose(added, np.concatenate([np.sin(angles), np.cos(angles)], -1), atol=1e-4)


def turned(vectors, positions):
    """Vectors (B, H, S, K) at positions (S,)."""
    at = Tensor(np.tile(np.asarray(positions, np.float32), (vectors.shape[0], 1)))
    return rotate(Tensor(vectors), rotation(Angles(vectors.shape[-1])(at))).asnumpy()


def test_products_of_turned_vectors_depend_on_the_distance_only():
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(2, 2, 3, 4, 6)).astype(np.float32)
    positions = np.array([0, 3, 4, 9])
    products = [turned(q, positions + shift) @ turned(k, positions + shift).swapaxes(-1, -2) for shift in (0, 50)]
    assert np.allclose(products[0], products[1], atol=1e-4)
    assert not np.allclose(products[0], turned(q, positions) @ turned(k, positions + 1).swapaxes(-1, -2), atol=1e-2)


def test_turning_is_a_rotation_of_pairs():
    vectors = np.zeros((1, 1, 1, 4), np.float32)
    vectors[..., 1] = 1.0  # paired with number 3, whose frequency is 1/100
    assert np.allclose(turned(vectors, [30])[0, 0, 0], [0, np.cos(0.3), 0, np.sin(0.3)], atol=1e-5)
