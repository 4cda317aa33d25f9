"""The slot bank against the reference recurrence, outputs and gradients."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from sfm_ms.nn import slot_bank
from sfm_ms.ops.gated_delta_rule.reference import gated_delta_rule


class Steps(nn.Cell):
    """Writes statement after statement, reading with the same key afterwards; keys (B, T, N), values (B, T, V)."""

    def construct(self, keys, values, beta, decay, slots):
        out = []
        for t in range(keys.shape[1]):
            slots = slot_bank.write(slots, keys[:, t], beta[:, t : t + 1], values[:, t], decay[:, t : t + 1])
            out.append(slot_bank.read(slots, keys[:, t : t + 1])[:, 0])
        return ops.stack(out, 1), slots


def inputs(equal_keys=False, max_beta=2.0, batch=3, steps=7, num_slots=5, width=4):
    rng = np.random.default_rng(1)
    keys = rng.normal(size=(batch, 1 if equal_keys else steps, num_slots)).repeat(steps if equal_keys else 1, 1)
    keys /= np.linalg.norm(keys, axis=-1, keepdims=True)
    beta = np.full((batch, steps), max_beta) if equal_keys else rng.uniform(0, max_beta, (batch, steps))
    arrays = (
        keys,
        rng.normal(size=(batch, steps, width)),
        beta,
        rng.uniform(0.1, 1, (batch, steps)),
        rng.normal(size=(batch, num_slots, width)),
    )
    return [array.astype(np.float32) for array in arrays]


def reference(keys, values, beta, decay, slots):
    heads = [np.asarray(array, np.float64)[:, :, None] for array in (keys, values, beta, np.log(decay))]
    k, v, b, log_decay = heads
    out, state = gated_delta_rule(k, k, v, b, log_decay, initial_state=slots[:, None], scale=1.0)
    return out[:, :, 0], state[:, 0]


@pytest.mark.parametrize(
    "case", [{}, {"max_beta": 1.0}, {"equal_keys": True}, {"batch": 1, "steps": 1, "num_slots": 1, "width": 6}]
)
def test_steps_are_the_gated_delta_rule(case):
    arrays = inputs(**case)
    out, state = Steps()(*map(Tensor, arrays))
    expected_out, expected_state = reference(*arrays)
    assert np.allclose(out.asnumpy(), expected_out, atol=2e-5)
    assert np.allclose(state.asnumpy(), expected_state, atol=2e-5)


def test_gradients_are_those_of_the_reference_by_differences():
    arrays = inputs(steps=4)
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=array.shape) for array in reference(*arrays)]

    class Loss(nn.Cell):
        def __init__(self):
            super().__init__()
            self.steps, self.weights = Steps(), [Tensor(weight, ms.float32) for weight in weights]

        def construct(self, keys, values, beta, decay, slots):
            out, state = self.steps(keys, values, beta, decay, slots)
            return (out * self.weights[0]).sum() + (state * self.weights[1]).sum()

    def loss(arrays):
        return sum((array * weight).sum() for array, weight in zip(reference(*arrays), weights, strict=True))

    gradients = ms.grad(Loss(), (0, 1, 2, 3, 4))(*map(Tensor, arrays))
    for i, gradient in enumerate(gradients):
        direction = rng.normal(size=arrays[i].shape)
        shifted = [
            [array + sign * 1e-5 * direction if j == i else array.astype(np.float64) for j, array in enumerate(arrays)]
            for sign in (1, -1)
        ]
        expected = (loss(shifted[0]) - loss(shifted[1])) / 2e-5
        assert np.isclose((gradient.asnumpy() * direction).sum(), expected, rtol=1e-3, atol=1e-3)


def test_without_erasing_a_write_only_adds():
    keys, values, beta, _, slots = (Tensor(array) for array in inputs())
    added = slot_bank.write(slots, keys[:, 0], beta[:, :1], values[:, 0], erase=False).asnumpy() - slots.asnumpy()
    outer = keys.asnumpy()[:, 0, :, None] * values.asnumpy()[:, 0, None, :]
    assert np.allclose(added, beta.asnumpy()[:, 0, None, None] * outer, atol=1e-6)


def test_unit_keys_have_length_one():
    weights = Tensor(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], np.float32))
    assert np.allclose(np.linalg.norm(slot_bank.unit_keys(weights).asnumpy(), axis=-1), 1)
