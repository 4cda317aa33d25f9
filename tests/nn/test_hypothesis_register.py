"""The register of hypotheses against loops over them; who is replaced, who leads, and that all of it learns."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from sfm_ms.nn.hypothesis_register import HypothesisRegister

DIM, NUM = 6, 3


@pytest.fixture(scope="module")
def register():
    return HypothesisRegister(DIM, NUM, np.random.default_rng(0))


def inputs(rows=4):
    rng = np.random.default_rng(1)
    arrays = rng.normal(size=(rows, NUM, DIM)), rng.normal(size=(rows, DIM)), rng.random((rows, 1))
    return [array.astype(np.float32) for array in arrays]


def confidence(register, row, candidate):
    """Of the hypotheses (M, E) of one row."""
    W, U, place, w = (
        parameter.asnumpy().astype(np.float64)
        for parameter in (
            register.from_hypothesis_EE,
            register.from_candidate_EE,
            register.place_ME,
            register.to_confidence_E1,
        )
    )
    hidden = [row[m] @ W + candidate @ U + place[m] for m in range(NUM)]
    return np.array([(h / (1 + np.exp(-h)) @ w).item() for h in hidden])


def softmax(x):
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def reference(register, hypotheses, candidates, gates):
    after, primary = hypotheses.astype(np.float64), []
    for b, candidate in enumerate(candidates):
        replaced = softmax(-confidence(register, after[b], candidate) / register.temperature)
        for m in range(NUM):
            after[b, m] += gates[b] * replaced[m] * (candidate - after[b, m])
        primary.append(softmax(confidence(register, after[b], candidate) / register.temperature) @ after[b])
    return after, np.stack(primary)


def test_it_is_the_loop_over_hypotheses(register):
    arrays = inputs()
    for got, expected in zip(register(*map(Tensor, arrays)), reference(register, *arrays), strict=True):
        assert np.allclose(got.asnumpy(), expected, atol=1e-5)


def test_at_a_low_temperature_the_least_trusted_is_replaced_and_the_most_trusted_leads():
    register = HypothesisRegister(DIM, NUM, np.random.default_rng(0), temperature=1e-3)
    hypotheses, candidates, _ = inputs()
    after, primary = (x.asnumpy() for x in register(*map(Tensor, (hypotheses, candidates, np.ones((4, 1), np.float32)))))
    for b in range(4):
        weakest = confidence(register, hypotheses[b], candidates[b]).argmin()
        assert np.allclose(after[b, weakest], candidates[b], atol=1e-5)
        assert np.allclose(np.delete(after[b], weakest, 0), np.delete(hypotheses[b], weakest, 0), atol=1e-5)
        assert np.allclose(primary[b], after[b, confidence(register, after[b], candidates[b]).argmax()], atol=1e-5)


def test_a_closed_gate_leaves_the_hypotheses_and_empty_ones_become_different(register):
    hypotheses, candidates, _ = inputs()
    after, _ = register(Tensor(hypotheses), Tensor(candidates), Tensor(np.zeros((4, 1), np.float32)))
    assert np.array_equal(after.asnumpy(), hypotheses)
    after, _ = register(register.begin(4), Tensor(candidates), Tensor(np.ones((4, 1), np.float32)))
    assert np.abs(np.diff(after.asnumpy(), axis=1)).max(-1).min() > 1e-3


class Loss(nn.Cell):
    """Of what two steps lead to."""

    def __init__(self, register):
        super().__init__()
        self.register = register

    def construct(self, hypotheses, candidates, gates):
        hypotheses, first = self.register(hypotheses, candidates, gates)
        hypotheses, second = self.register(hypotheses, -candidates * candidates, gates)
        return (first * first * first).sum() + (second * second * second).sum() + (hypotheses * hypotheses).sum()


def test_all_inputs_and_parameters_learn_and_do_so_at_a_second_call(register):
    parameters = register.trainable_params()
    gradient = ms.grad(Loss(register), (0, 1, 2), parameters)
    (of_inputs, of_parameters), (again_inputs, again_parameters) = (gradient(*map(Tensor, inputs())) for _ in range(2))
    first, again = [*of_inputs, *of_parameters], [*again_inputs, *again_parameters]
    assert len(first) == 3 + 4
    for one, two in zip(first, again, strict=True):
        assert np.isfinite(one.asnumpy()).all() and np.abs(one.asnumpy()).max() > 1e-4
        assert np.array_equal(one.asnumpy(), two.asnumpy())


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="hypotheses of a register: expected at least 2, got 1"):
        HypothesisRegister(DIM, 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="temperature of a hypothesis register: expected more than 0, got 0"):
        HypothesisRegister(DIM, 2, np.random.default_rng(0), temperature=0)
