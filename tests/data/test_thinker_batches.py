"""Rows are whole samples, a function of their number for any rank, and nothing of a held-out program is ever in them."""

from __future__ import annotations

import numpy as np
import pytest

from sfm_ms.data.hf_tokenizer import HfTokenizer
from sfm_ms.data.thinker_batches import GROUP, HELD_OUT, KINDS, ThinkerBatches, encoded, held_out, packed, tokenizer_of
from sfm_ms.recipe import Recipe, RecipeError
from sfm_ms.recipe.schema import CodeExecutionTask, ThinkerModel, Training
from sfm_ms.tasks import code_execution
from sfm_ms.tasks.programs import DIFFICULTIES
from sfm_ms.tasks.python_code import hashed, split_of

EQUAL = (1, 1, 1, 1, 1)
TOKENIZER = HfTokenizer.train((code_execution.sample(0, i, d).text for i in range(20) for d in DIFFICULTIES), 512)


def recipe(batch_size=4, seed=0, checkpoint="", **task):
    model, training = ThinkerModel(checkpoint=checkpoint), Training(batch_size=batch_size)
    return Recipe(seed=seed, task=CodeExecutionTask(**task), model=model, training=training)


BATCHES = ThinkerBatches(recipe(batch_size=GROUP, share_wrong=0.3, window_tokens=640), TOKENIZER)
GROUPS = [BATCHES.group(number, EQUAL) for number in range(3)]


def samples_of(rows):
    return [each for row in rows for each in row]


def assert_equal(batch, other):
    assert all(np.array_equal(a, b) for a, b in zip(batch, other, strict=True))


def test_a_row_is_whole_samples_and_padding():
    batch = BATCHES.batch(1, EQUAL)
    assert [array.dtype for array in batch] == [np.int32] * 3 + [np.float32] + [np.int32] * 2 + [np.float32] * 2
    judgements = [TOKENIZER.marker("judge_wrong"), TOKENIZER.marker("judge_correct")]
    for row, samples in enumerate(GROUPS[1]):
        lengths = [len(each.tokens) - 1 for each in samples]
        ends = np.cumsum(lengths)
        segments = np.repeat(np.arange(1, 1 + len(samples)), lengths)
        assert batch.segments_BT[row].tolist() == [*segments, *[0] * (640 - ends[-1])]
        for array in batch[:4]:
            assert not array[row, ends[-1] :].any()
        assert batch.judged_BP[row].tolist() == [*(ends - 1), *[0] * (4 - len(samples))]
        ends_of_prompts = ends - lengths + [each.num_given - 1 for each in samples]
        assert batch.expected_BP[row].tolist() == [*ends_of_prompts, *[0] * (4 - len(samples))]
        assert batch.is_sample_BP[row].tolist() == [1] * len(samples) + [0] * (4 - len(samples))
        for place, each in enumerate(samples):
            inside = batch.segments_BT[row] == place + 1
            whole = [*batch.tokens_BT[row, inside], batch.targets_BT[row, batch.judged_BP[row, place]]]
            assert TOKENIZER.decode(whole) == each.sample.text
            assert batch.targets_BT[row, inside].tolist() == whole[1:]
            assert whole[-1] == judgements[each.sample.is_correct] and batch.is_correct_BP[row, place] == each.sample.is_correct
    assert not np.isin(batch.tokens_BT, judgements).any()  # so nothing can read it


def test_the_loss_falls_on_what_is_produced_in_wrong_samples_on_the_judgement_alone():
    found = samples_of(GROUPS[0] + GROUPS[1])
    assert {each.sample.is_correct for each in found} == {True, False}
    for each in found:
        batch = packed([[each]], 800, 1)
        learned = batch.targets_BT[batch.weights_BT == 1]
        given, produced, judgement = (span.text for span in each.sample.spans())
        assert set(np.unique(batch.weights_BT)) == {0, 1}
        assert TOKENIZER.decode(learned) == (produced if each.sample.is_correct else "") + judgement
        assert TOKENIZER.decode(each.tokens[: each.num_given]) == given
        assert np.array_equal(each.tokens, TOKENIZER.encode(each.sample.text, has_markers=True))


@pytest.mark.parametrize(("world", "batch_size"), [(2, 3), (4, 2), (3, 5)])
def test_ranks_see_together_what_one_would(world, batch_size):
    whole = ThinkerBatches(recipe(batch_size * world, difficulties=(1, 2)), TOKENIZER)
    ranks = [ThinkerBatches(recipe(batch_size, difficulties=(1, 2)), TOKENIZER, rank, world) for rank in range(world)]
    for step in (2, 0):
        together = [np.concatenate(arrays) for arrays in zip(*(each.batch(step, (1, 1, 0, 0, 0)) for each in ranks), strict=True)]
        assert_equal(together, whole.batch(step, (1, 1, 0, 0, 0)))


def test_a_batch_depends_on_seed_step_and_weights_alone():
    forward, backward, other = (ThinkerBatches(recipe(3, seed), TOKENIZER) for seed in (0, 0, 1))
    ahead = {step: forward.batch(step, EQUAL) for step in range(3)}
    for step in reversed(range(3)):
        assert_equal(backward.batch(step, EQUAL), ahead[step])
    assert not np.array_equal(ahead[0].tokens_BT, ahead[1].tokens_BT)
    assert not np.array_equal(other.batch(0, EQUAL).tokens_BT, ahead[0].tokens_BT)
    assert not np.array_equal(forward.batch(0, (0, 0, 0, 0, 1)).tokens_BT, ahead[0].tokens_BT)


def test_of_a_group_the_samples_in_their_order_and_one_that_fits_nowhere_is_lost():
    for number, rows in enumerate(GROUPS):
        drawn = [BATCHES._sample(number * GROUP * 4 + i, EQUAL) for i in range(len(samples_of(rows)) + 1)]
        texts = [each.sample.text for each in drawn]
        assert sorted(each.sample.text for each in samples_of(rows)) == sorted(texts[:-1])
        room = [640 - sum(len(each.tokens) - 1 for each in row) for row in rows]
        assert min(room) >= 0 and max(room[n] for n, row in enumerate(rows) if len(row) < 4) < len(drawn[-1].tokens) - 1
        numbers = [[texts.index(each.sample.text) for each in row] for row in rows]
        assert numbers == [sorted(row) for row in numbers]
    found = [each.sample.text for rows in GROUPS for each in samples_of(rows)]
    assert len(set(found)) == len(found)


def test_a_row_has_no_more_than_max_samples():
    rows = ThinkerBatches(recipe(difficulties=(1,), max_samples=2, window_tokens=1000), TOKENIZER).group(0, (1, 0, 0, 0, 0))
    assert [len(row) for row in rows] == [2] * GROUP


def test_kinds_and_difficulties_have_their_shares():
    drawn = [BATCHES._sample(index, (0, 1, 0, 1, 0)).sample for index in range(200)]
    assert {each.difficulty for each in drawn} == {2, 4}
    kinds = [type(each).__name__ for each in drawn]
    assert 0.15 < kinds.count("DebuggingSample") / 200 < 0.35 and set(kinds) == {"CodeSample", "DebuggingSample"}
    assert 0.2 < sum(not each.is_correct for each in drawn) / 200 < 0.4


def test_samples_that_are_too_long_are_drawn_again_and_a_window_that_fits_none_is_named():
    small = recipe(window_tokens=170, share_debugging=0)
    found = samples_of(ThinkerBatches(small, TOKENIZER).group(0, (0, 0, 0, 1, 0)))
    assert max(len(each.tokens) - 1 for each in found) <= 170 and {each.sample.difficulty for each in found} == {4}
    with pytest.raises(RecipeError, match=r"task\.window_tokens: no sample of code_execution, difficulty 1, .* 50 tokens"):
        held_out(recipe(window_tokens=50), TOKENIZER, "valid", "code_execution", 1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_prompts_are_of_their_split_whatever_the_seed(kind):
    prompts = {split: set() for split in ("train", "valid", "test")}
    for split in ("valid", "test"):
        for seed in (0, 1):
            found = held_out(recipe(seed=seed), TOKENIZER, split, kind, 2, 4)
            assert all(each.sample.is_correct and each.sample.difficulty == 2 for each in found)
            prompts[split] |= {each.sample.spans()[0].text for each in found}
    prompts["train"] = {each.sample.spans()[0].text for rows in GROUPS for each in samples_of(rows)}
    for split, texts in prompts.items():
        assert len(texts) >= 8 and {split_of(hashed(text), HELD_OUT) for text in texts} == {split}


def test_held_out_samples_are_a_function_of_their_number():
    two, three = (held_out(recipe(), TOKENIZER, "test", "code_execution", 1, count, share_wrong=1) for count in (2, 3))
    assert [each.sample for each in two] == [each.sample for each in three[:2]] and len({each.sample.text for each in three}) == 3
    assert not any(each.sample.is_correct for each in three)


def test_a_recipes_tokenizer_is_its_own_or_the_checkpoints(tmp_path):
    named = recipe(difficulties=(1,), share_debugging=0, vocabulary=400)
    own = tokenizer_of(named)
    assert own.num_tokens == 400 and own.tokenizer.to_str() == tokenizer_of(named).tokenizer.to_str()
    each = code_execution.sample(5, 0, 1)
    assert len(encoded(each, own).tokens) < 0.75 * len(each.text)
    TOKENIZER.save(tmp_path)
    assert tokenizer_of(recipe(checkpoint=str(tmp_path))).tokenizer.to_str() == TOKENIZER.tokenizer.to_str()


@pytest.mark.parametrize("difficulties", [(), (2, 1), (1, 1)])
def test_difficulties_of_a_recipe_rise(difficulties):
    ((field, problem),) = CodeExecutionTask(difficulties=difficulties).problems()
    assert field == "difficulties" and problem == f"expected one or more rising numbers, got {list(difficulties)}"
    assert list(CodeExecutionTask(difficulties=(1, 3)).problems()) == []
