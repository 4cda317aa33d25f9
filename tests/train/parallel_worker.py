"""A tiny training that test_parallel.py runs in one process and, by `msrun`, in two: what every rank ends with goes to a file."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    from sfm_ms.train import runtime

    runtime.start()

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from sfm_ms.recipe.schema import LearningRateGroup, Optimizer
from sfm_ms.train import checkpoint, parallel
from sfm_ms.train.accumulation import Accumulation, Clear, normalised
from sfm_ms.train.parallel import Ranks, ShardedUpdate

NUM_STEPS, BATCH, DIM, HIDDEN = 12, 8, 5, 7
CONFIG = Optimizer(learning_rate=1e-2, clip_norm=0.5, weight_decay=0.1, groups=(LearningRateGroup("head", 3e-2),))


class Regression(nn.Cell):
    """(x (N, DIM), y (N,), weights (N,)) -> (weighted sum of squared errors,)."""

    def __init__(self, seed: int):
        super().__init__()
        rng = np.random.default_rng(seed)
        shapes = {"matrix": (DIM, HIDDEN), "bias": (HIDDEN,), "head": (HIDDEN, 1)}
        self.matrix, self.bias, self.head = (
            Parameter(Tensor(rng.normal(size=shape).astype(np.float32)), name=name) for name, shape in shapes.items()
        )

    def construct(self, x, y, weights):
        hidden = ops.relu(ops.matmul(x, self.matrix) + self.bias)
        return (((ops.matmul(hidden, self.head).squeeze(1) - y) ** 2 * weights).sum(),)


def rows(step: int):
    """The whole batch; of the rows of the first half, more count than of the second."""
    rng = np.random.default_rng(step)
    x, y = rng.normal(size=(BATCH, DIM)).astype(np.float32), rng.normal(size=BATCH).astype(np.float32)
    return x, y, (np.arange(BATCH) % 4 < (3, 1)[step % 2]).astype(np.float32) * np.linspace(1, 2, BATCH, dtype=np.float32)


def train(ranks: Ranks, last_words: Path | None = None) -> dict[str, np.ndarray]:
    """Parameters and the optimizer's state after the steps, in the middle of which that is saved and restored."""
    model = Regression(seed=ranks.rank)
    parameters = list(model.trainable_params())
    parallel.broadcast(parameters, ranks)
    update = ShardedUpdate(parameters, CONFIG, ranks)
    accumulate = Accumulation(model, update.parameters_in_order)
    clear, reduce = Clear(accumulate.sums), parallel.sums(accumulate.sums, ranks)
    for step in range(NUM_STEPS):
        part = slice(ranks.rank * BATCH // ranks.world, (ranks.rank + 1) * BATCH // ranks.world)
        x, y, weights = (array[part] for array in rows(step))
        (weights,) = normalised([weights], ranks)
        clear(Tensor(0.0, ms.float32))
        accumulate(Tensor(1.0, ms.float32), *map(Tensor, (x, y, weights)))
        reduce()
        update(Tensor(1e-2, ms.float32), *accumulate.sums)
        if step == NUM_STEPS // 2:
            update.restore(update.arrays())
            wants_to_stop = ranks.rank == ranks.world - 1
            assert ranks.total([wants_to_stop, ranks.rank]).tolist() == [1, sum(range(ranks.world))]
            if last_words and ranks.rank == 1:
                last_words.touch()
                os.kill(os.getpid(), signal.SIGKILL)
    return {**checkpoint.arrays({parameter.name: parameter for parameter in parameters}), **update.arrays()}


if __name__ == "__main__":
    folder, ranks = Path(sys.argv[1]), Ranks()
    np.savez(folder / f"rank_{ranks.rank}.npz", **train(ranks, folder / "killed" if "dies" in sys.argv else None))
