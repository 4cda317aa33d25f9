"""Softmax and linear attention against NumPy in float64."""

import numpy as np
import pytest
from mindspore import Tensor

from sfm_ms.nn.attention import MASKED, Attention, causal_bias
from sfm_ms.nn.linear_attention import LinearAttention
from sfm_ms.nn.positions import Angles, rotation

HEADS, DIM = 2, 8


def values(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def affine(layer, x):
    return x @ layer.weight_XY.asnumpy().astype(np.float64) + layer.bias_Y.asnumpy()


def heads_of(attention, x):
    """Queries, keys and values, each (B, H, S, K)."""
    qkv = affine(attention.qkv, x).reshape(*x.shape[:2], 3, HEADS, DIM // HEADS)
    return qkv.transpose(2, 0, 3, 1, 4)


def joined(attention, out_BHSK):
    return affine(attention.output, out_BHSK.transpose(0, 2, 1, 3).reshape(out_BHSK.shape[0], -1, DIM))


def turned(x, positions):
    """A pair (i, i + K/2) as a complex number, times e^(i angle)."""
    half = x.shape[-1] // 2
    angles = positions[:, None, :, None] * 10_000.0 ** (-np.arange(half) / half)
    pairs = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * angles)
    return np.concatenate([pairs.real, pairs.imag], -1)


@pytest.mark.parametrize("is_rotary", [False, True])
@pytest.mark.parametrize("is_causal", [False, True])
def test_attention(is_causal, is_rotary):
    rng = np.random.default_rng(0)
    attention, x = Attention(DIM, HEADS, rng), values(rng, 2, 5, DIM)
    positions = np.array([[0, 1, 2, 3, 4], [0, 1, 1, 2, 2]], np.float32)
    is_real = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 1, 0]], bool)
    bias = Tensor(np.where(is_real, 0, MASKED).astype(np.float32)[:, None, None])
    turns = rotation(Angles(DIM // HEADS)(Tensor(positions))) if is_rotary else None
    out = attention(Tensor(x), bias + causal_bias(5) if is_causal else bias, turns).asnumpy()

    q, k, v = heads_of(attention, x)
    if is_rotary:
        q, k = turned(q, positions), turned(k, positions)
    visible = is_real[:, None, None, :] & (np.tril(np.ones((5, 5), bool)) if is_causal else True)
    weights = np.where(visible, np.exp(q @ k.swapaxes(-1, -2) / np.sqrt(DIM // HEADS)), 0)
    expected = joined(attention, weights / weights.sum(-1, keepdims=True) @ v)
    assert np.allclose(out, expected, atol=1e-4)


def test_linear_attention_is_its_recurrence():
    rng = np.random.default_rng(0)
    attention, x = LinearAttention(DIM, HEADS, rng), values(rng, 2, 5, DIM)
    is_statement = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], np.float32)
    memory = np.abs(values(rng, 2, HEADS, DIM // HEADS, DIM // HEADS + 1))
    out, last = (result.asnumpy() for result in attention(Tensor(x), Tensor(is_statement), Tensor(memory)))

    q, k, v = heads_of(attention, x)
    q, k = (np.where(feature > 0, feature + 1, np.exp(np.minimum(feature, 0))) for feature in (q, k))
    s, z, steps = memory[..., :-1].astype(np.float64), memory[..., -1].astype(np.float64), []
    for t in range(5):
        k_t = k[:, :, t] * is_statement[:, None, t, None]
        s, z = s + k_t[..., None] * v[:, :, t, None], z + k_t
        steps.append((q[:, :, t, None] @ s)[:, :, 0] / (q[:, :, t] * z).sum(-1, keepdims=True))
    assert np.allclose(out, joined(attention, np.stack(steps, 2)), atol=1e-4)
    assert np.allclose(last, np.concatenate([s, z[..., None]], -1), atol=1e-4)
