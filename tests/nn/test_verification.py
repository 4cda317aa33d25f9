"""The verification head and its loss against NumPy, and that they learn who is right."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from sfm_ms.nn.verification import VerificationHead, verification_loss

DIM, NUM_FEATURES = 6, 3


@pytest.fixture(scope="module")
def head():
    return VerificationHead(DIM, NUM_FEATURES, np.random.default_rng(0))


def drawn(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(5,), (2, 3)])
def test_the_head_is_its_formula(head, shape):
    x, features = 3 * drawn(*shape, DIM), drawn(*shape, NUM_FEATURES)
    W, b, w, c = (parameter.asnumpy() for layer in (head.hidden, head.output) for parameter in (layer.weight_XY, layer.bias_Y))
    normed = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)
    hidden = np.concatenate((normed, features), -1) @ W + b
    expected = (hidden / (1 + np.exp(-hidden))) @ w + c
    logits = head(Tensor(x), Tensor(features))
    assert logits.shape == shape
    assert np.allclose(logits.asnumpy(), expected[..., 0], atol=1e-5)


class Loss(nn.Cell):
    def construct(self, logits, is_right, weights):
        return verification_loss(logits, is_right, weights)


def test_the_loss_is_the_weighted_cross_entropy_also_of_extreme_and_of_zero_logits():
    logits = np.array([[-100, -30, -3, 0], [0, 0.5, 25, 100]], np.float32)
    for is_right in (np.zeros((2, 4), np.float32), np.ones((2, 4), np.float32), np.eye(2, 4, dtype=np.float32)):
        weights = np.array([[1, 0.5, 2, 1], [0, 3, 1, 1]], np.float32)
        x = logits.astype(np.float64)
        entropy = is_right * np.logaddexp(0, -x) + (1 - is_right) * np.logaddexp(0, x)
        assert np.isclose(
            Loss()(*map(Tensor, (logits, is_right, weights))).item(), (weights * entropy).sum() / weights.sum(), rtol=1e-5
        )
        gradient = ms.grad(Loss())(*map(Tensor, (logits, is_right, weights))).asnumpy()
        assert np.allclose(gradient, weights * (1 / (1 + np.exp(-x)) - is_right) / weights.sum(), atol=1e-6)


def test_places_that_do_not_count_do_not_matter():
    logits, is_right = drawn(6), np.array([1, 0, 1, 0, 1, 0], np.float32)
    weights = np.array([1, 1, 1, 1, 0, 0], np.float32)
    counted = Loss()(Tensor(logits[:4]), Tensor(is_right[:4]), Tensor(weights[:4])).item()
    assert np.isclose(Loss()(Tensor(logits), Tensor(is_right), Tensor(weights)).item(), counted, rtol=1e-6)
    assert Loss()(Tensor(logits), Tensor(is_right), Tensor(0 * weights)).item() == 0


class HeadLoss(nn.Cell):
    def __init__(self, head):
        super().__init__()
        self.head = head

    def construct(self, x, features, is_right, weights):
        return verification_loss(self.head(x, features), is_right, weights)


def test_it_learns_who_is_right_from_x_and_from_features():
    head = VerificationHead(DIM, NUM_FEATURES, np.random.default_rng(0))
    x, features = drawn(64, DIM), drawn(64, NUM_FEATURES)
    is_right = (x[:, 0] + features[:, 1] > 0).astype(np.float32)
    parameters = head.trainable_params()
    optimizer = nn.Adam(parameters, learning_rate=0.03)
    gradient = ms.value_and_grad(HeadLoss(head), (0, 1), parameters)
    arrays = [*map(Tensor, (x, features, is_right, np.ones(64, np.float32)))]
    losses = []
    for step in range(40):
        loss, (of_inputs, of_parameters) = gradient(*arrays)
        if step == 0:
            assert all(np.isfinite(g.asnumpy()).all() and g.asnumpy().any() for g in (*of_inputs, *of_parameters))
        optimizer(of_parameters)
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4


def test_a_head_without_features_is_refused():
    with pytest.raises(ValueError, match="features of a verification head: expected at least 1, got 0"):
        VerificationHead(DIM, 0, np.random.default_rng(0))
