"""Batches are a pure function of the step, and no split shares a program with another."""

import numpy as np

from sfm_ms.data.batches import TrainingBatches, in_segments
from sfm_ms.data.splits import test_programs as programs_of_test
from sfm_ms.data.splits import training_programs, validation_programs
from sfm_ms.recipe import load


def recipe(*overrides):
    return load("debug/state_tracking", overrides)


def test_a_batch_depends_on_its_step_alone():
    forward, backward = TrainingBatches(recipe()), TrainingBatches(recipe())
    steps = [0, 1, 24, 25, 26, 70]
    first = {step: forward[step] for step in steps}
    second = {step: backward[step] for step in reversed(steps)}
    for step in steps:
        assert all(np.array_equal(a, b) for a, b in zip(first[step], second[step], strict=True))


def test_an_epoch_has_every_program_once_and_its_own_order():
    batches = TrainingBatches(recipe("training.batch_size=30"))  # 200 programs: batches straddle epochs
    order = [batches._program(position) for position in range(400)]
    assert sorted(order[:200]) == sorted(order[200:]) == list(range(200)) and order[:200] != order[200:]


def test_splits_share_no_program_and_have_the_asked_sizes():
    small = recipe()
    splits = [training_programs(small), validation_programs(small), programs_of_test(small, 1), programs_of_test(small, 2)]
    assert [len(split) for split in splits] == [200, 40, 40, 40]
    texts = [{"\n".join(split.lines(i)) for i in range(len(split))} for split in splits]
    assert sum(map(len, texts)) == len(set.union(*texts))
    assert set(splits[2].lengths) == {15} and set(splits[3].lengths) == {25}


def test_padding_to_whole_segments():
    array = np.ones((2, 7, 3))
    assert in_segments(array, 5).shape == (2, 10, 3) and in_segments(array, 7) is array
    assert in_segments(array, 5).sum() == array.sum()
