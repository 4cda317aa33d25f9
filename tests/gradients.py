"""What models must show of their gradients; test modules import it by `from gradients import assert_all_learn`."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn


class PartOfTheAnswers(nn.Cell):
    """A scalar of a model's answers; of all of them it would not do, as probabilities sum to 1."""

    def __init__(self, model: nn.Cell):
        super().__init__()
        self.model = model

    def construct(self, statements, questions, state):
        return self.model(statements, questions, state)[0][:, :, :, :50].sum()


class SquaredLogits(nn.Cell):
    """tokens -> the mean square of a language model's logits."""

    def __init__(self, model: nn.Cell):
        super().__init__()
        self.model = model

    def construct(self, tokens):
        return (self.model(tokens) ** 2).mean()


def assert_all_learn(model: nn.Cell, statements: np.ndarray, questions: np.ndarray) -> None:
    """Every parameter, and the state if the model has one, gets a finite gradient, the same at the second call."""
    shape = model.initial_state(len(statements)).shape
    state = np.random.default_rng(0).random(shape).astype(np.float32)
    parameters = list(model.trainable_params())
    gradients_of = ms.grad(PartOfTheAnswers(model), 2, parameters)
    (of_state, gradients), (_, again) = (gradients_of(*map(Tensor, (statements, questions, state))) for _ in range(2))
    assert (np.abs(of_state.asnumpy()).max() > 0) == (state[0].size > 1)  # one number: a placeholder of who has no state
    for parameter, gradient, same in zip(parameters, gradients, again, strict=True):
        assert np.isfinite(gradient.asnumpy()).all() and np.abs(gradient.asnumpy()).max() > 0, parameter.name
        assert np.array_equal(gradient.asnumpy(), same.asnumpy()), parameter.name
