"""DeltaNet and DeltaProduct against their own recurrences."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from sfm_ms.ops.gated_delta_rule.variants import delta_product, delta_rule


def unit(rng, *shape):
    x = rng.normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def tensors(*arrays):
    return [Tensor(array.astype(np.float32)) for array in arrays]


def test_delta_rule():
    rng = np.random.default_rng(0)
    q, k, v, beta = unit(rng, 1, 6, 1, 4), unit(rng, 1, 6, 1, 4), rng.normal(size=(1, 6, 1, 3)), rng.uniform(0, 2, (1, 6, 1))
    state, outs = np.zeros((4, 3)), []
    for t in range(6):
        key = k[0, t, 0]
        state = (np.eye(4) - beta[0, t, 0] * np.outer(key, key)) @ state + beta[0, t, 0] * np.outer(key, v[0, t, 0])
        outs.append(q[0, t, 0] @ state)
    out, final_state = delta_rule(*tensors(q, k, v, beta), scale=1.0)
    assert np.allclose(out.asnumpy()[0, :, 0], outs, atol=1e-5) and np.allclose(final_state.asnumpy()[0, 0], state, atol=1e-5)


def product_by_hand(q, k, v, beta, decay, state):
    outs = []
    for t in range(q.shape[0]):
        state = decay[t] * state
        for j in range(k.shape[1]):
            key = k[t, j]
            state = state - beta[t, j] * np.outer(key, key @ state) + beta[t, j] * np.outer(key, v[t, j])
        outs.append(q[t] @ state)
    return np.array(outs), state


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_delta_product(num_steps):
    rng = np.random.default_rng(num_steps)
    q, k, v = unit(rng, 2, 5, 3, 4), unit(rng, 2, 5, num_steps, 3, 4), rng.normal(size=(2, 5, num_steps, 3, 6))
    beta, log_decay = rng.uniform(0, 2, (2, 5, num_steps, 3)), -rng.uniform(0, 1, (2, 5, 3))
    sign, state = rng.choice([-1.0, 1.0], (2, 5, 3)), rng.normal(size=(2, 3, 4, 6))
    out, final_state = delta_product(*tensors(q, k, v, beta, log_decay, sign, state), scale=1.0)
    for b, h in np.ndindex(2, 3):
        decay = sign[b, :, h] * np.exp(log_decay[b, :, h])
        outs, last = product_by_hand(q[b, :, h], k[b, :, :, h], v[b, :, :, h], beta[b, :, :, h], decay, state[b, h])
        assert np.allclose(out.asnumpy()[b, :, h], outs, atol=1e-5) and np.allclose(final_state.asnumpy()[b, h], last, atol=1e-5)


def test_two_reflections_turn():
    """What one step with beta = 2 can't do and two can: a rotation, here by 120 degrees, three of which are nothing at all."""
    first, second = np.array([1.0, 0.0]), np.array([np.cos(np.pi / 3), np.sin(np.pi / 3)])
    keys = np.tile(np.stack([first, second])[None, None, :, None], (1, 3, 1, 1, 1))
    zeros = np.zeros((1, 3, 2, 1, 2))
    _, state = delta_product(*tensors(np.ones((1, 3, 1, 2)), keys, zeros, np.full((1, 3, 2, 1), 2.0)), initial_state=identity())
    _, turned = delta_product(
        *tensors(np.ones((1, 1, 1, 2)), keys[:, :1], zeros[:, :1], np.full((1, 1, 2, 1), 2.0)), initial_state=identity()
    )
    assert np.allclose(state.asnumpy()[0, 0], np.eye(2), atol=1e-5)
    assert np.allclose(np.abs(turned.asnumpy()[0, 0]), [[0.5, np.sqrt(0.75)], [np.sqrt(0.75), 0.5]], atol=1e-5)
    assert np.isclose(np.linalg.det(turned.asnumpy()[0, 0]), 1, atol=1e-5)


def identity():
    return Tensor(np.eye(2, dtype=np.float32)[None, None])


def test_gradients_reach_all_steps():
    rng = np.random.default_rng(3)
    q, k, v = unit(rng, 1, 4, 1, 4), unit(rng, 1, 4, 2, 1, 4), rng.normal(size=(1, 4, 2, 1, 4))
    beta, log_decay = rng.uniform(0, 2, (1, 4, 2, 1)), -rng.uniform(0, 1, (1, 4, 1))

    def loss(q, k, v, beta, log_decay):
        return delta_product(q, k, v, beta, log_decay)[0].sum()

    gradients = ms.grad(loss, (0, 1, 2, 3, 4))(*tensors(q, k, v, beta, log_decay))
    assert all(np.isfinite(gradient.asnumpy()).all() for gradient in gradients)
    assert all((np.abs(gradient.asnumpy()).reshape(4, 2, -1).max(-1) > 0).all() for gradient in gradients[1:4])
