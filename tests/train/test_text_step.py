"""The loss of a language model against NumPy: code, answers, the second opinion, and verdicts on two choices."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from sfm_ms.data.text_batches import TextBatch
from sfm_ms.recipe import load
from sfm_ms.train.text_step import FIGURES, TextLoss

NUM_ROWS, NUM_TOKENS, NUM_STATEMENTS, VOCABULARY, DIM = 3, 16, 4, 11, 5
RECIPE = load("debug/python_code", [f"training.batch_size={NUM_ROWS}", f"task.window_tokens={NUM_TOKENS}"])
ANSWERS = [(0, 3), (0, 9), (1, 15), (0, 4), (0, 12)]  # rows and tokens; the last row has none


class Fixed(nn.Cell):
    """A model whose logits are its own, and of whose first numbers the second opinion and the verdict are made."""

    def __init__(self, has_opinion: bool):
        super().__init__()
        rng = np.random.default_rng(0)
        self.has_opinion = has_opinion
        self.logits = Tensor(rng.normal(size=(NUM_ROWS, NUM_TOKENS, VOCABULARY)).astype(np.float32))
        self.hidden = Tensor(rng.normal(size=(NUM_ROWS, NUM_TOKENS, DIM)).astype(np.float32))
        self.ticks = Tensor(rng.uniform(1, 3, (NUM_ROWS, NUM_STATEMENTS)).astype(np.float32))
        self.opinion = Tensor(rng.normal(size=(DIM, VOCABULARY)).astype(np.float32))

    def begin(self, num_rows):
        return ()

    def construct(self, *arrays):
        return self.logits, self.hidden, self.ticks

    def second_opinion(self, hidden):
        return ops.matmul(hidden, self.opinion)

    def verdict(self, hidden, logits, candidate):
        return hidden[:, :, 0] + 0.1 * candidate


def batch():
    rng = np.random.default_rng(1)
    is_answer = np.zeros((NUM_ROWS, NUM_TOKENS), np.float32)
    is_answer[tuple(np.transpose(ANSWERS))] = 1
    is_code = np.zeros_like(is_answer)
    is_code[2, :10] = 1
    tokens, targets = (rng.integers(0, VOCABULARY, is_answer.shape).astype(np.int32) for _ in range(2))
    statements, edges = np.zeros((NUM_ROWS, NUM_STATEMENTS), np.int32), np.zeros((NUM_ROWS, 1, 3), np.int32)
    ones = np.ones_like(is_answer)
    recalled = np.zeros((NUM_ROWS, NUM_TOKENS, 2), np.int32)
    return TextBatch(tokens, ones, recalled, ones, ones, statements, edges, targets, is_code, is_answer)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


@pytest.mark.parametrize("has_opinion", [True, False])
def test_the_loss_is_what_numpy_says(has_opinion):
    model, arrays = Fixed(has_opinion), batch()
    found = dict(zip(FIGURES, (float(x.asnumpy()) for x in TextLoss(model, RECIPE)(*map(Tensor, arrays))), strict=False))
    logits, hidden, targets = model.logits.asnumpy(), model.hidden.asnumpy(), arrays.targets_BT
    nll = -np.take_along_axis(log_softmax(logits), targets[:, :, None], 2)[:, :, 0]
    at = tuple(np.transpose(ANSWERS))
    expected = {
        "code_loss": nll[2, :10].mean(),
        "answer_loss": nll[at].mean(),
        "answer_accuracy": (logits.argmax(-1) == targets)[at].mean(),
        "opinion_loss": 0.0,
        "opinion_accuracy": 0.0,
        "mean_ticks": model.ticks.asnumpy().mean(),
    }
    if has_opinion:
        opinion = log_softmax(hidden[at] @ model.opinion.asnumpy())
        expected["opinion_loss"] = -opinion[np.arange(len(ANSWERS)), targets[at]].mean()
        expected["opinion_accuracy"] = (opinion.argmax(-1) == targets[at]).mean()
    of_choices = []
    for choice in np.argsort(-logits[at], -1)[:, :2].T:
        verdict = hidden[at][:, 0] + 0.1 * choice
        of_choices.append((np.log1p(np.exp(verdict)) - (choice == targets[at]) * verdict).mean())
    expected["verification_loss"] = np.mean(of_choices)
    training = RECIPE.training
    expected["loss"] = (
        expected["code_loss"]
        + RECIPE.task.answer_weight * (expected["answer_loss"] + expected["opinion_loss"])
        + training.tick_cost * (expected["mean_ticks"] - 1)
        + training.verification_weight * expected["verification_loss"]
    )
    assert found == {name: pytest.approx(value, rel=1e-5, abs=1e-6) for name, value in expected.items()}
