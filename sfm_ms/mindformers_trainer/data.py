"""Packed samples as MindFormers' datasets read them: row by row, and put together there.

The rows are those that sfm_ms itself trains on, with all difficulties alike, since no probes steer what is drawn. Of MindFormers'
own handlers none is used: they shift the labels twice.

Shapes: T places, P samples of a row at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mindformers.tools.register import MindFormerModuleType, MindFormerRegister
from mindspore.dataset import GeneratorDataset

from sfm_ms.data import difficulty
from sfm_ms.data.hf_tokenizer import HfTokenizer
from sfm_ms.data.thinker_batches import PackedBatch, ThinkerBatches
from sfm_ms.recipe import Recipe, load

COLUMNS = {  # name in a YAML -> field of PackedBatch
    "input_ids": "tokens_BT",
    "labels": "targets_BT",
    "loss_mask": "weights_BT",
    "segments": "segments_BT",
    "expected": "expected_BP",
    "judged": "judged_BP",
    "is_correct": "is_correct_BP",
    "is_sample": "is_sample_BP",
}
ROW_BY_ROW = ("training.batch_size=1", "training.micro_batches=1")


class Rows:
    """Row i of a recipe's training, its columns as arrays: (T,) those that PackedBatch has by place, (P,) those by sample."""

    def __init__(self, recipe: Recipe, tokenizer: HfTokenizer, num_rows: int, columns: Sequence[str]):
        self.num_rows, self.columns = num_rows, columns
        self.batches = ThinkerBatches(recipe, tokenizer)
        self.weights = difficulty.weights(difficulty.start(recipe.task.difficulties))

    def __len__(self) -> int:
        return self.num_rows

    def __getitem__(self, i: int) -> tuple[np.ndarray, ...]:
        row: PackedBatch = self.batches.batch(int(i), self.weights)
        return tuple(getattr(row, COLUMNS[name])[0] for name in self.columns)


@MindFormerRegister.register(MindFormerModuleType.DATASET_LOADER)
class ThinkerDataLoader:
    """`num_rows` rows of the recipe's training, in their order, by the tokenizer of its run in `runs`.

    column_names: the YAML's input_columns. Arguments that are not named are what MindFormers hands to all loaders. ValueError
    names columns that there are not.
    """

    def __new__(
        cls,
        recipe: str,
        num_rows: int,
        column_names: Sequence[str],
        overrides: Sequence[str] = (),
        runs: str = "runs",
        num_shards: int | None = None,
        shard_id: int | None = None,
        **_of_mindformers,
    ) -> GeneratorDataset:
        unknown = [name for name in column_names if name not in COLUMNS]
        if unknown:
            raise ValueError(f"input_columns: expected some of {', '.join(COLUMNS)}, got {', '.join(unknown)}")
        found = load(recipe, [*overrides, *ROW_BY_ROW])
        rows = Rows(found, HfTokenizer.load(Path(runs) / found.name), num_rows, column_names)
        return GeneratorDataset(rows, list(column_names), shuffle=False, num_shards=num_shards, shard_id=shard_id)
