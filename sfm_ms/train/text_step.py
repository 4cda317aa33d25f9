"""One training step of a language model: pieces of text, each from an empty state.

The loss is the mean over tokens of code, plus that over what programs print, plus the same of the second opinion, what Execution
alone would print (otherwise it learns nothing where Perception, which is closer to the answers, finds some of them), plus what
ticks cost, plus the binary cross-entropy of the verdict whether what the model would have printed is right, its first choice and
its second.

Shapes: B rows, T tokens, Q places of answers, Y tokens in the vocabulary.
"""

from __future__ import annotations

import mindspore
from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.data.text_batches import TextBatch
from sfm_ms.nn.statement_places import same
from sfm_ms.nn.tokens_at import tokens_at
from sfm_ms.nn.verification import verification_loss
from sfm_ms.recipe.schema import Recipe
from sfm_ms.train.choices import update_of

VERY_MUCH = 1e9  # taken from a logit, it leaves no chance
TOKENS_PER_ANSWER = 4  # at least, of a window: the tokens that are verified and asked of Execution are few
FIGURES = (
    "loss",
    "code_loss",
    "answer_loss",
    "answer_accuracy",
    "opinion_loss",
    "opinion_accuracy",
    "mean_ticks",
    "verification_loss",
    "gradient_norm",
)


class TextLoss(nn.Cell):
    """(*arrays of a TextBatch) -> loss and the other figures but the last."""

    def __init__(self, model: nn.Cell, recipe: Recipe):
        super().__init__()
        self.model, self.state = model, model.begin(recipe.training.batch_size)
        self.answer_weight = recipe.task.answer_weight
        self.tick_cost, self.verification_weight = recipe.training.tick_cost, recipe.training.verification_weight
        self.most_answers = -(-recipe.task.window_tokens // TOKENS_PER_ANSWER)

    def construct(self, tokens, operand, recalled, is_token, is_end, kinds, edges, targets, is_code, is_answer):
        logits, hidden, ticks = self.model(tokens, operand, recalled, is_token, is_end, kinds, edges, *self.state)[:3]
        nll = nll_of(logits, targets)
        code, answer, extra_ticks = mean(nll, is_code), mean(nll, is_answer), (ticks - 1).mean()
        is_answer_BQ, places_BQ = ops.topk(is_answer, self.most_answers)
        hidden, logits = tokens_at(hidden, places_BQ), tokens_at(ops.stop_gradient(logits), places_BQ)
        targets_BQ = ops.gather_elements(targets, 1, places_BQ)
        accuracy, opinion, its_accuracy, verification = self.of_answers(hidden, logits, targets_BQ, is_answer_BQ)
        loss = code + self.answer_weight * (answer + opinion) + self.tick_cost * extra_ticks
        loss = loss + self.verification_weight * verification
        return loss, code, answer, accuracy, opinion, its_accuracy, 1 + extra_ticks, verification

    def of_answers(self, hidden, logits_BQY, targets_BQ, is_answer_BQ):
        """Accuracy, loss and accuracy of the second opinion (0 where there is none), loss of the verdicts."""
        verifications = []
        first_BQ, second_BQ = choices(logits_BQY)
        for choice_BQ in (first_BQ, second_BQ):
            verdict_BQ = self.model.verdict(hidden, logits_BQY, choice_BQ)
            verifications.append(verification_loss(verdict_BQ, same(choice_BQ, targets_BQ), is_answer_BQ))
        opinion = its_accuracy = Tensor(0.0, mstype.float32)
        if self.model.has_opinion:
            opinion_BQY = self.model.second_opinion(hidden)
            opinion = mean(nll_of(opinion_BQY, targets_BQ), is_answer_BQ)
            its_accuracy = mean(same(likeliest(opinion_BQY), targets_BQ), is_answer_BQ)
        return mean(same(first_BQ, targets_BQ), is_answer_BQ), opinion, its_accuracy, sum(verifications) / 2


def choices(logits_BTY):
    """The most likely token and the one after it, each (B, T) int32."""
    first_BT = likeliest(logits_BTY)
    others_BTY = logits_BTY - VERY_MUCH * ops.one_hot(first_BT, logits_BTY.shape[2], 1.0, 0.0)
    return first_BT, likeliest(others_BTY)


def likeliest(logits_BTY):
    """(B, T) int32."""
    return logits_BTY.argmax(-1).astype(mstype.int32)


def nll_of(logits_BTY, targets_BT):
    """Negative log-likelihood of each target in nats, (B, T)."""
    return -ops.gather_elements(ops.log_softmax(logits_BTY, -1), 2, targets_BT.expand_dims(2)).squeeze(2)


def mean(values, weights):
    """Of the values that count; 0 where none does."""
    return (values * weights).sum() / ops.maximum(weights.sum(), Tensor(1.0, mstype.float32))


class TextTrainingStep:
    """(batch, learning rate) -> figures of the batch; changes the model."""

    def __init__(self, model: nn.Cell, recipe: Recipe):
        self.update = update_of(list(model.trainable_params()), recipe.optimizer)
        parameters = mindspore.ParameterTuple(self.update.parameters_in_order)
        self.gradient = mindspore.value_and_grad(TextLoss(model, recipe), None, parameters, has_aux=True)

    def __call__(self, batch: TextBatch, rate: float) -> dict[str, float]:
        figures, gradients = self.gradient(*map(Tensor, batch))
        norm = self.update(Tensor(rate, mstype.float32), *gradients)
        return dict(zip(FIGURES, (float(figure.asnumpy()) for figure in (*figures, norm)), strict=True))
