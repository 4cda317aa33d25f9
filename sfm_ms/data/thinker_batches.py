"""Samples of code execution and debugging as rows of tokens: whole ones packed in a row, the loss on what is to be produced.

A sample's last token, the judgement, is only ever a target: a sample of L tokens takes L - 1 places of a row, and nothing that
reads them can see it. Attention and state start anew where `segments_BT` changes.

Samples differ in length, so GROUP rows are packed together: samples in the order of their numbers, each into the first row that
has room, until one fits nowhere. Which numbers depends on the group alone, so any rank makes its rows of any step without those
before. The sample that fits nowhere is lost, more often a long one, so rows have a few more short samples than are drawn; to look
further for one that fits would fill them up, but with short ones.

Shapes: B rows, T places, P samples of a row at most, L tokens of a sample.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sfm_ms.data.hf_tokenizer import HfTokenizer
from sfm_ms.recipe import Recipe, RecipeError
from sfm_ms.tasks import code_execution, debugging
from sfm_ms.tasks.code_execution import CodeSample, draw_difficulty
from sfm_ms.tasks.debugging import DebuggingSample
from sfm_ms.tasks.python_code import hashed, split_of

Sample = CodeSample | DebuggingSample

KINDS = ("code_execution", "debugging")
GROUP = 8  # rows
HELD_OUT = 0.1  # share of all programs that is for validation, and as much for the test
_ATTEMPTS = 1000  # to draw a sample of the split that fits the window
_READ_SAMPLES = 100  # of each difficulty and kind, by a tokenizer in training


class Encoded(NamedTuple):
    """A sample as tokens: `tokens[:num_given]` are a prompt, the last one is the judgement."""

    sample: Sample
    tokens: np.ndarray  # (L,) int32
    is_learned: np.ndarray  # (L,) bool: the loss falls on it
    num_given: int


class PackedBatch(NamedTuple):
    """Sample p of a row, from 0, is segment p + 1: the loss of each sample is a sum over its segment."""

    tokens_BT: np.ndarray  # int32; 0 in padding
    segments_BT: np.ndarray  # int32; 0 in padding
    targets_BT: np.ndarray  # int32: the sample's next token
    weights_BT: np.ndarray  # float32: 1 where the loss falls on the target
    expected_BP: np.ndarray  # int32: the last place of its prompt; 0 where there is no sample
    judged_BP: np.ndarray  # int32: the sample's last place, whose target is the judgement; 0 where there is no sample
    is_correct_BP: np.ndarray  # float32
    is_sample_BP: np.ndarray  # float32


class ThinkerBatches:
    """Batches of training for a rank of `world`, each of which takes training.batch_size rows of every step.

    Rows are numbered through: all ranks together see at any step what one rank with the whole batch would.
    """

    def __init__(self, recipe: Recipe, tokenizer: HfTokenizer, rank: int = 0, world: int = 1):
        self.recipe, self.tokenizer, self.rank, self.world = recipe, tokenizer, rank, world
        self._group = functools.lru_cache(maxsize=1)(self.group)  # consecutive rows, and often batches, are of one group

    def batch(self, step: int, weights: Sequence[float]) -> PackedBatch:
        """weights: of difficulties 1 to 5."""
        task, batch_size = self.recipe.task, self.recipe.training.batch_size
        first = (step * self.world + self.rank) * batch_size
        rows = [self._group(row // GROUP, tuple(weights))[row % GROUP] for row in range(first, first + batch_size)]
        return packed(rows, task.window_tokens, task.max_samples)

    def group(self, number: int, weights: Sequence[float]) -> list[list[Encoded]]:
        """The samples of GROUP rows."""
        task, rows = self.recipe.task, [[] for _ in range(GROUP)]
        room, num_samples = [task.window_tokens] * GROUP, GROUP * task.max_samples
        for index in range(number * num_samples, (number + 1) * num_samples):
            found = self._sample(index, weights)
            places = len(found.tokens) - 1
            row = next((row for row in range(GROUP) if places <= room[row] and len(rows[row]) < task.max_samples), None)
            if row is None:
                break
            rows[row].append(found)
            room[row] -= places
        return rows

    def _sample(self, index: int, weights: Sequence[float]) -> Encoded:
        task, seed = self.recipe.task, self.recipe.seed
        is_debugging = random.Random(f"kind {seed} {index}").random() < task.share_debugging
        kind, difficulty = "debugging" if is_debugging else "code_execution", draw_difficulty(seed, index, weights)
        return fitting_sample(self.recipe, self.tokenizer, "train", kind, difficulty, index, task.share_wrong)


def held_out(
    recipe: Recipe, tokenizer: HfTokenizer, split: str, kind: str, difficulty: int, count: int, share_wrong: float = 0.0
) -> list[Encoded]:
    """Samples of the split `valid` or `test`. share_wrong: 0 where they are to be generated, more where they are to be judged."""
    return [fitting_sample(recipe, tokenizer, split, kind, difficulty, index, share_wrong) for index in range(count)]


def fitting_sample(
    recipe: Recipe, tokenizer: HfTokenizer, split: str, kind: str, difficulty: int, index: int, share_wrong: float
) -> Encoded:
    """Sample `index` of the split: a pure function of the arguments. RecipeError where none fits the window."""
    window = recipe.task.window_tokens
    for candidate in _candidates(recipe, split, kind, difficulty, index, share_wrong):
        found = encoded(candidate, tokenizer)
        if len(found.tokens) - 1 <= window:
            return found
    raise RecipeError(f"task.window_tokens: no sample of {kind}, difficulty {difficulty}, has at most {window} tokens")


def _candidates(recipe: Recipe, split: str, kind: str, difficulty: int, index: int, share_wrong: float) -> Iterator[Sample]:
    """Those of the split among the draws that are sample `index`'s alone.

    A sample belongs to a split by the hash of what is given: no prompt of one split, of any seed, is ever in another.
    """
    for number in range(index * _ATTEMPTS, (index + 1) * _ATTEMPTS):
        drawn = _drawn(recipe, kind, number, difficulty, share_wrong)
        if split_of(hashed(drawn.spans()[0].text), HELD_OUT) == split:
            yield drawn


def _drawn(recipe: Recipe, kind: str, number: int, difficulty: int, share_wrong: float) -> Sample:
    if kind == "debugging":
        return debugging.sample(recipe.seed, number, difficulty, share_wrong=share_wrong)
    task = recipe.task
    choices = {"share_wrong": share_wrong, "largest_number": task.largest_number, "only_moves": task.only_moves}
    return code_execution.sample(recipe.seed, number, difficulty, **choices)


def encoded(sample: Sample, tokenizer: HfTokenizer) -> Encoded:
    """Part by part, so that a prompt has the same tokens as in the whole sample."""
    spans = sample.spans()
    tokens = [tokenizer.encode(span.text, has_markers=True) for span in spans]
    is_learned = np.repeat([span.is_learned for span in spans], [len(each) for each in tokens])
    return Encoded(sample, np.concatenate(tokens), is_learned, len(tokens[0]))


def packed(rows: Sequence[Sequence[Encoded]], num_tokens: int, max_samples: int) -> PackedBatch:
    """Each row's samples one after the other, from its start; of held-out samples, a row each."""
    by_token, by_sample = (len(rows), num_tokens), (len(rows), max_samples)
    batch = PackedBatch(
        *(np.zeros(by_token, dtype) for dtype in (np.int32, np.int32, np.int32, np.float32)),
        *(np.zeros(by_sample, dtype) for dtype in (np.int32, np.int32, np.float32, np.float32)),
    )
    for row, samples in enumerate(rows):
        first = 0
        for place, each in enumerate(samples):
            span = slice(first, first + len(each.tokens) - 1)
            batch.tokens_BT[row, span] = each.tokens[:-1]
            batch.segments_BT[row, span] = place + 1
            batch.targets_BT[row, span] = each.tokens[1:]
            batch.weights_BT[row, span] = each.is_learned[1:]
            batch.expected_BP[row, place] = first + each.num_given - 1
            batch.judged_BP[row, place] = span.stop - 1
            batch.is_correct_BP[row, place] = each.sample.is_correct
            batch.is_sample_BP[row, place] = 1
            first = span.stop
    return batch


def tokenizer_of(recipe: Recipe) -> HfTokenizer:
    """The checkpoint's that the recipe names, else one trained on samples of the recipe's training."""
    task = recipe.task
    if recipe.model.checkpoint:
        return HfTokenizer.load(recipe.model.checkpoint)
    kinds = [kind for kind, share in zip(KINDS, (1 - task.share_debugging, task.share_debugging), strict=True) if share]
    read = [(kind, difficulty, index) for kind in kinds for difficulty in task.difficulties for index in range(_READ_SAMPLES)]
    samples = (next(_candidates(recipe, "train", *each, share_wrong=0)) for each in read)
    return HfTokenizer.train((each.text for each in samples), task.vocabulary)
