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
    batches = TrainingBatches(recipe())  # 200 programs, 8 in a batch
    epochs = [[batches._rows(step).tolist() for step in range(first, first + 25)] for first in (0, 25)]
    assert all(sorted(np.concatenate(epoch)) == list(range(200)) for epoch in epochs) and epochs[0] != epochs[1]


def test_programs_that_fill_no_batch_sit_out_other_ones_in_each_epoch():
    batches = TrainingBatches(recipe("training.batch_size=30"))
    epochs = [np.concatenate([batches._rows(step) for step in range(first, first + 6)]) for first in (0, 6)]
    assert all(len(set(epoch)) == 180 for epoch in epochs) and set(epochs[0]) != set(epochs[1])


def test_batches_have_programs_of_as_many_segments_and_every_statement_of_them():
    batches = TrainingBatches(recipe("task.train_programs=400", "training.segment_statements=5"))
    lengths = {batches[step].statements_BTW.shape[1] for step in range(50)}
    assert lengths == {10, 15, 20, 25}
    for step in range(50):
        rows, batch = batches._rows(step), batches[step]
        assert batch.statements_BTW.any(2).sum() == batches.statements[rows].any(2).sum()
        assert np.isclose(batch.weights_BTQ.sum(), batches.weights[rows].sum())


def test_the_curriculum_opens_from_one_operation_to_whole_programs():
    batches, plain = TrainingBatches(recipe("task.curriculum_steps=40")), TrainingBatches(recipe())
    seen = [np.flatnonzero(batches[step].weights_BTQ.any((0, 2))).max() for step in (0, 10, 20)]
    assert seen[0] == 5 and seen == sorted(seen)
    assert all(np.array_equal(a, b) for a, b in zip(batches[40], plain[40], strict=True))
    assert np.array_equal(batches[0].weights_BTQ[:, :6], plain[0].weights_BTQ[:, :6])


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
