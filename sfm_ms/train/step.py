"""One training step: exact gradients through programs of any length with a graph of one segment.

A forward pass over the segments keeps the state at their borders; then each segment, the last one first, is run again
with its gradient, and the gradient with respect to its first state goes into the segment before it.
"""

from __future__ import annotations

import mindspore
from mindspore import Tensor, nn
from mindspore import dtype as mstype

from sfm_ms.data.batches import Batch
from sfm_ms.recipe.schema import Recipe
from sfm_ms.train.choices import update_of
from sfm_ms.train.loss import weighted_nll


class SegmentLoss(nn.Cell):
    """The loss of a segment plus what later segments make of its last state, given by that state's gradient."""

    def __init__(self, model: nn.Cell, tick_cost: float):
        super().__init__()
        self.model, self.tick_cost = model, tick_cost

    def construct(self, statements, questions, labels, weights, state, next_state_gradient):
        log_probabilities, ticks, next_state = self.model(statements, questions, state)
        is_statement = (statements[:, :, 0] > 0).astype(mstype.float32)
        extra_ticks = ((ticks - 1) * is_statement).sum()
        loss = weighted_nll(log_probabilities, labels, weights) + self.tick_cost * extra_ticks / statements.shape[0]
        correct = (log_probabilities.argmax(-1) == labels).astype(mstype.float32)
        counted = (weights > 0).astype(mstype.float32)
        return loss + (next_state * next_state_gradient).sum(), loss, (correct * counted).sum(), extra_ticks


class SegmentGradient(nn.Cell):
    """-> (loss, number of right values, ticks beyond the first), (gradient of the first state, gradients of the parameters)."""

    def __init__(self, model: nn.Cell, tick_cost: float, parameters):
        super().__init__()
        loss = SegmentLoss(model, tick_cost)
        self.value_and_grad = mindspore.value_and_grad(loss, 4, mindspore.ParameterTuple(parameters), has_aux=True)

    def construct(self, statements, questions, labels, weights, state, next_state_gradient):
        figures, gradients = self.value_and_grad(statements, questions, labels, weights, state, next_state_gradient)
        return figures[1:], gradients


class Advance(nn.Cell):
    """-> the state after a segment."""

    def __init__(self, model: nn.Cell):
        super().__init__()
        self.model = model

    def construct(self, statements, questions, state):
        return self.model(statements, questions, state)[2]


class Add(nn.Cell):
    """(*n tensors, *n tensors) -> their n sums."""

    def construct(self, *tensors):
        half = len(tensors) // 2
        return tuple([tensors[i] + tensors[half + i] for i in range(half)])


class TrainingStep:
    """(batch, learning rate) -> figures of the batch; changes the model.

    Figures: loss, share of the supervised values that are right, mean ticks of a statement, norm of the gradient.
    """

    def __init__(self, model: nn.Cell, recipe: Recipe):
        self.model, self.segment = model, recipe.training.segment_statements
        self.update = update_of(list(model.trainable_params()), recipe.optimizer)
        self.gradient = SegmentGradient(model, recipe.training.tick_cost, self.update.parameters_in_order)
        self.advance, self.add = Advance(model), Add()
        self.zero_state = model.initial_state(recipe.training.batch_size)

    def __call__(self, batch: Batch, rate: float) -> dict[str, float]:
        questions = Tensor(batch.questions_BQ)
        num_statements = batch.statements_BTW.shape[1]
        length = self.segment if self.model.carries_state else num_statements
        segments = [slice(start, start + length) for start in range(0, num_statements, length)]
        states = [self.zero_state]
        for segment in segments[:-1]:
            states.append(self.advance(Tensor(batch.statements_BTW[:, segment]), questions, states[-1]))

        state_gradient, gradients = self.zero_state, None
        figures = []
        for segment, state in zip(reversed(segments), reversed(states), strict=True):
            arrays = (batch.statements_BTW, batch.labels_BTQ, batch.weights_BTQ)
            statements, labels, weights = (Tensor(array[:, segment]) for array in arrays)
            of_segment, (state_gradient, new) = self.gradient(statements, questions, labels, weights, state, state_gradient)
            gradients = new if gradients is None else self.add(*gradients, *new)
            figures.append(of_segment)
        norm = self.update(Tensor(rate, mstype.float32), *gradients)
        loss, correct, extra_ticks = (_sum(of_segments) for of_segments in zip(*figures, strict=True))
        return {
            "loss": loss,
            "value_accuracy": correct / (batch.weights_BTQ > 0).sum(),
            "mean_ticks": 1 + extra_ticks / (batch.statements_BTW[:, :, 0] > 0).sum(),
            "gradient_norm": float(norm.asnumpy()),
        }


def _sum(tensors: tuple[Tensor, ...]) -> float:
    return float(sum(tensor.asnumpy() for tensor in tensors))
