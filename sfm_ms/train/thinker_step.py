"""One training step of a Thinker: what it is to tell, the judgement of its judge, and the surprise that it expects.

    loss = told + judge_weight * judge + surprise_weight * surprise
    told      mean negative log-likelihood of the tokens that the loss falls on
    judge     mean cross-entropy of the verdict, asked at a sample's last place, which has seen all but the judgement
    surprise  mean square of what is expected at the prompt's end, less the mean loss of the sample's tokens; of correct samples,
              because of wrong ones only the judgement is learned

All means are over the whole batch: of all micro-batches of all ranks.

Shapes: B rows, T places, P samples of a row at most, N = B T, Y tokens in the vocabulary.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.data.thinker_batches import PackedBatch
from sfm_ms.models.qwen2 import TYPES
from sfm_ms.models.thinker import Thinker
from sfm_ms.nn.chunked_cross_entropy import ChunkedCrossEntropy
from sfm_ms.nn.statement_places import same
from sfm_ms.nn.verification import cross_entropy
from sfm_ms.recipe.schema import Recipe
from sfm_ms.train import parallel
from sfm_ms.train.accumulation import Accumulation, Clear, normalised
from sfm_ms.train.checkpoint import arrays, restore
from sfm_ms.train.loss_scale import LossScale
from sfm_ms.train.parallel import Ranks, ShardedUpdate

SUMS = ("loss", "told_loss", "judge_loss", "judge_accuracy", "surprise_loss")
FIGURES = (*SUMS, "gradient_norm")


class ThinkerLoss(nn.Cell):
    """(*arrays of a PackedBatch, whose weights are normalised; weights of the surprise (B, P)) -> figures SUMS.

    Weights are shares of the whole batch, so that figures add up over its parts.
    """

    def __init__(self, model: Thinker, recipe: Recipe):
        super().__init__(auto_prefix=False)
        self.model, self.head_YD, training = model, model.base.head(), recipe.training
        self.cross_entropy = ChunkedCrossEntropy(dtype=TYPES[recipe.model.dtype], head_learns=self.head_YD.requires_grad)
        self.judge_weight, self.surprise_weight = training.verification_weight, training.surprise_weight

    def construct(self, tokens, segments, targets, weights, expected, judged, is_correct, judge_weights, surprise_weights):
        x_BTD, _ = self.model.hidden(tokens, segments)
        told, nll_N = self.cross_entropy(
            x_BTD.reshape(-1, x_BTD.shape[2]), self.head_YD, targets.reshape(-1), weights.reshape(-1)
        )
        nll_BT = nll_N.reshape(tokens.shape)
        verdict_BP = self.model.judge(x_BTD, nll_BT, expected, judged)
        judge = (judge_weights * cross_entropy(verdict_BP, is_correct)).sum()
        is_right_BP = same(ops.greater(verdict_BP, 0.0).astype(mstype.int32), is_correct.astype(mstype.int32))
        mean_BP = ops.stop_gradient(of_samples(nll_BT, weights, segments, judged.shape[1]))
        surprise = (surprise_weights * ops.square(self.model.surprise(x_BTD, expected) - mean_BP)).sum()
        loss = told + self.judge_weight * judge + self.surprise_weight * surprise
        return loss, told, judge, (judge_weights * is_right_BP).sum(), surprise


def of_samples(values_BT, weights_BT, segments_BT, num_samples):
    """Weighted mean over each sample's tokens (B, P); 0 where none counts."""
    numbers_1P1 = (ops.arange(num_samples) + 1).astype(mstype.int32).reshape(1, num_samples, 1)
    weights_BPT = same(segments_BT.expand_dims(1), numbers_1P1) * weights_BT.expand_dims(1)
    total_BP = (weights_BPT * values_BT.expand_dims(1)).sum(-1)
    return total_BP / ops.maximum(weights_BPT.sum(-1), Tensor(1e-12, mstype.float32))


def as_they_come(model: Thinker, parameters) -> list[int]:
    """Places of the parameters in the order in which the backward pass gives their gradients: the last layer's first."""

    def depth(place: int) -> float:
        part, *rest = parameters[place].name.split(".")
        if part == "sfm":
            return model.config.sfm_layers[int(rest[0])] + 0.5
        if part == "base" and rest[0] == "layers":
            return int(rest[1])
        return -1 if rest[0] == "table_YD" else model.config.base.num_layers

    return sorted(range(len(parameters)), key=depth, reverse=True)


class ThinkerStep:
    """(batch, learning rate) -> figures of the batch; changes the model. All ranks must call it, each with its rows."""

    def __init__(self, model: Thinker, recipe: Recipe, ranks: Ranks):
        self.ranks, self.num_parts = ranks, recipe.training.micro_batches
        self.update = ShardedUpdate(list(model.trainable_params()), recipe.optimizer, ranks)
        order = as_they_come(model, self.update.parameters_in_order)
        self.accumulate = Accumulation(ThinkerLoss(model, recipe), self.update.parameters_in_order, order)
        self.clear = Clear(self.accumulate.sums)
        self.sum_over_ranks = parallel.sums(self.accumulate.sums, ranks) if ranks.world > 1 else None
        self.loss_scale = LossScale() if recipe.model.dtype == "float16" else None

    def __call__(self, batch: PackedBatch, rate: float) -> dict[str, float]:
        scale = Tensor(self.loss_scale.value if self.loss_scale else 1.0, mstype.float32)
        self.clear(Tensor(0.0, mstype.float32))
        figures = [self.accumulate(scale, *map(Tensor, part)) for part in self.parts(batch)]
        *totals, overflows = self.ranks.total(np.sum([[float(x.asnumpy()) for x in part] for part in figures], 0)).tolist()
        found = dict(zip(SUMS, totals, strict=True))
        if self.loss_scale:
            self.loss_scale.adjust(overflows > 0)
            if overflows > 0:
                return {**found, "gradient_norm": 0.0}
        if self.sum_over_ranks:
            self.sum_over_ranks()
        norm = self.update(Tensor(rate, mstype.float32), *self.accumulate.sums)
        return {**found, "gradient_norm": float(norm.asnumpy())}

    def parts(self, batch: PackedBatch) -> list[tuple[np.ndarray, ...]]:
        """Micro-batches, with weights that are shares of the whole batch."""
        is_told_BP = batch.is_sample_BP * batch.is_correct_BP
        weights = [normalised([array], self.ranks)[0] for array in (batch.weights_BT, batch.is_sample_BP, is_told_BP)]
        whole = (*batch._replace(weights_BT=weights[0], is_sample_BP=weights[1]), weights[2])
        return list(zip(*(np.split(array, self.num_parts) for array in whole), strict=True))

    def arrays(self) -> dict[str, np.ndarray]:
        """Of the optimizer and the loss scale, for a checkpoint. All ranks must call it."""
        return self.update.arrays() | arrays(self._of_scale())

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        of_scale = self._of_scale()
        restore(of_scale, {name: saved[name] for name in of_scale if name in saved})
        self.update.restore({name: value for name, value in saved.items() if name not in of_scale})

    def _of_scale(self) -> dict:
        return self.loss_scale.state() if self.loss_scale else {}
