"""The delta-rule layer over tokens against its formulas in NumPy; tests/systems/test_perception.py has what holds for systems."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor

from sfm_ms.nn.delta_layer import SMALLEST_SQUARE, DeltaLayer
from sfm_ms.nn.norm import EPSILON
from sfm_ms.ops.gated_delta_rule.reference import gated_delta_rule


def silu(x):
    return x / (1 + np.exp(-x))


def test_against_the_formulas():
    rng = np.random.default_rng(0)
    dim, heads, width, num_rows, num_tokens = 12, 3, 4, 2, 19
    layer = DeltaLayer(dim, heads, rng, width, chunk_size=16)
    layer.norm.gain_D.set_data(Tensor(rng.normal(size=dim // heads).astype(np.float32)))
    weights = {name: parameter.asnumpy().astype(np.float64) for name, parameter in layer.parameters_and_names()}
    x, past = rng.normal(size=(num_rows, num_tokens, dim)), rng.normal(size=(num_rows, width - 1, 3 * dim))
    state = rng.normal(size=(num_rows, heads, dim // heads, dim // heads))
    given = [array.astype(np.float32) for array in (x, np.ones((num_rows, num_tokens)), past, state)]
    y, last, after = (result.asnumpy() for result in layer(*map(Tensor, given)))

    x, _, past, state = (array.astype(np.float64) for array in given)
    rows = np.concatenate([past, x @ weights["to_rows_DF"]], 1)
    taps = weights["convolution.weight_WD"]
    convolved = silu(sum(rows[:, w : w + num_tokens] * taps[w] for w in range(width)))
    q, k, v = (part.reshape(num_rows, num_tokens, heads, -1) for part in np.split(convolved, 3, -1))
    q, k = (part / np.sqrt((part**2).sum(-1, keepdims=True) + SMALLEST_SQUARE) for part in (q, k))
    beta = 2 / (1 + np.exp(-x @ weights["to_beta_DH"]))
    step = np.log1p(np.exp(x @ weights["to_decay_DH"] + weights["step_bias_H"]))
    out, true_after = gated_delta_rule(q, k, v, beta, -np.exp(weights["log_rate_H"]) * step, np.ones_like(beta), state)
    normed = out / np.sqrt((out**2).mean(-1, keepdims=True) + EPSILON) * weights["norm.gain_D"]
    true = (normed.reshape(x.shape) * silu(x @ weights["to_gate_DD"])) @ weights["from_heads_DD"]
    assert np.allclose(y, true, atol=2e-4) and np.allclose(after, true_after, atol=2e-5)
    assert np.allclose(last, rows[:, -(width - 1) :], atol=1e-5)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="heads of a delta layer: expected a divisor of the width 32, got 5"):
        DeltaLayer(32, 5, np.random.default_rng(0))
