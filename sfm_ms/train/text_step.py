"""One training step of a language model: pieces of text, each from an empty state.

The loss is the mean over tokens of code, plus that over what programs print, also of what Execution alone would
print (otherwise it learns nothing where Perception, which is closer to the answers, finds some of them), plus what ticks cost,
plus the binary cross-entropy of the verdict whether what the model would have printed is right, its first choice and its second.
"""

from __future__ import annotations

import mindspore
from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.data.text_batches import TextBatch
from sfm_ms.nn.verification import verification_loss
from sfm_ms.recipe.schema import Recipe
from sfm_ms.train.optim import Update

VERY_MUCH = 1e9  # taken from a logit, it leaves no chance
FIGURES = ("loss", "code_loss", "answer_loss", "answer_accuracy", "mean_ticks", "verification_loss", "gradient_norm")


class TextLoss(nn.Cell):
    """(*arrays of a TextBatch) -> loss and the other figures but the last."""

    def __init__(self, model: nn.Cell, recipe: Recipe):
        super().__init__()
        self.model, self.state = model, model.begin(recipe.training.batch_size)
        self.answer_weight = recipe.task.answer_weight
        self.tick_cost, self.verification_weight = recipe.training.tick_cost, recipe.training.verification_weight

    def construct(self, tokens, is_token, in_statement, is_end, kinds, edges, targets, is_code, is_answer):
        logits, hidden, ticks = self.model(tokens, is_token, in_statement, is_end, kinds, edges, *self.state)[:3]
        nll, verdicts = nll_of(logits, targets), []
        for choice in choices(logits):
            is_right = (choice == targets).astype(mstype.float32)
            verdicts.append(
                (mean(is_right, is_answer), verification_loss(self.model.verdict(hidden, logits, choice), is_right, is_answer))
            )
        (accuracy, of_first), (_, of_second) = verdicts
        code, answer, extra_ticks = mean(nll, is_code), mean(nll, is_answer), (ticks - 1).mean()
        verification = (of_first + of_second) / 2
        if self.model.has_opinion:
            answer = answer + mean(nll_of(self.model.second_opinion(hidden), targets), is_answer)
        loss = code + self.answer_weight * answer + self.tick_cost * extra_ticks + self.verification_weight * verification
        return loss, code, answer, accuracy, 1 + extra_ticks, verification


def choices(logits_BTY):
    """The most likely token and the one after it, each (B, T) int32."""
    first_BT = logits_BTY.argmax(-1).astype(mstype.int32)
    others_BTY = logits_BTY - VERY_MUCH * ops.one_hot(first_BT, logits_BTY.shape[2], 1.0, 0.0)
    return first_BT, others_BTY.argmax(-1).astype(mstype.int32)


def nll_of(logits_BTY, targets_BT):
    """Negative log-likelihood of each target in nats, (B, T)."""
    return -ops.gather_elements(ops.log_softmax(logits_BTY, -1), 2, targets_BT.expand_dims(2)).squeeze(2)


def mean(values, weights):
    """Of the values that count; 0 where none does."""
    return (values * weights).sum() / ops.maximum(weights.sum(), Tensor(1.0, mstype.float32))


class TextTrainingStep:
    """(batch, learning rate) -> figures of the batch; changes the model."""

    def __init__(self, model: nn.Cell, recipe: Recipe):
        self.update = Update(list(model.trainable_params()), recipe.optimizer)
        parameters = mindspore.ParameterTuple(self.update.parameters_in_order)
        self.gradient = mindspore.value_and_grad(TextLoss(model, recipe), None, parameters, has_aux=True)

    def __call__(self, batch: TextBatch, rate: float) -> dict[str, float]:
        figures, gradients = self.gradient(*map(Tensor, batch))
        norm = self.update(Tensor(rate, mstype.float32), *gradients)
        return dict(zip(FIGURES, (float(figure.asnumpy()) for figure in (*figures, norm)), strict=True))
