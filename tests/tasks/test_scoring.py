"""Scores of what was generated: right where it is right, and nothing for what is malformed."""

from __future__ import annotations

import pytest

from sfm_ms.tasks.code_execution import sample
from sfm_ms.tasks.programs import DIFFICULTIES
from sfm_ms.tasks.scoring import Score, parts, score, slot_accuracy, trace_accuracy, verdict
from sfm_ms.tasks.telling import numbered

TRUTH = next(each for each in (sample(0, i, 2, share_wrong=0) for i in range(50)) if each.trace.count("\n") > 3)
PROMPT = TRUTH.spans()[0].text


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_the_truth_has_the_full_score(difficulty):
    for index in range(5):
        truth = sample(1, index, difficulty, share_wrong=0)
        assert score(truth.text, truth) == Score(1, 1, 1) and verdict(truth.text) is True
        told = parts(truth.text)
        assert told.pop("judge_correct") == ""
        assert told.pop("code") == numbered(truth.code)
        assert told == {name: getattr(truth, name) for name in ("trace", "slots", "monologue", "answer")}


def test_what_a_wrong_sample_tells_is_wrong():
    wrong = next(each for each in (sample(0, i, 2, share_wrong=1) for i in range(50)) if each.slots != TRUTH.slots)
    truth = sample(0, 0, 2, share_wrong=0)
    found = score(wrong.text, truth)
    assert found.answer == 0 and found.slots < 1 and found.trace < 1 and verdict(wrong.text) is False
    with pytest.raises(ValueError, match="truth: expected a correct sample, got a wrong one"):
        score(truth.text, wrong)


def test_each_figure_is_of_its_own_part():
    assert score(PROMPT, TRUTH) == Score(0, 0, 0)
    assert score(f"{PROMPT}{TRUTH.trace}\n", TRUTH) == Score(0, 0, 1)
    assert score(f"{PROMPT}<|slots|>\n{TRUTH.slots}", TRUTH) == Score(0, 1, 0)
    assert score(f"{PROMPT}<|answer|>\n{TRUTH.answer}", TRUTH) == Score(1, 0, 0)
    assert score(f"{PROMPT}<|answer|>\n{TRUTH.answer} \n", TRUTH).answer == 0
    lines = TRUTH.trace.split("\n")
    assert score(PROMPT + "\n".join(["9: z=1", *lines[1:]]), TRUTH).trace == 1 - 1 / len(lines)


def test_of_a_part_that_is_told_twice_the_first_counts():
    assert parts("<|answer|>\n1\n<|answer|>\n2\n") == {"answer": "1"}
    assert parts("no marker <|kode|>\n1") == {}
    assert parts("<|answer|>\n\n 1 \n\n<|slots|>{}") == {"answer": "\n 1 \n", "slots": "{}"}


@pytest.mark.parametrize(
    ("told", "truth", "expected"),
    [
        ('{"b": [1, {"k": 2, "j": 3}], "a": 1}', '{"a": 1, "b": [1, {"j": 3, "k": 2}]}', 1),
        ('{"a": 1, "b": 3}', '{"a": 1, "b": 2}', 1 / 2),
        ('{"a": 1}', '{"a": 1, "b": null}', 1 / 2),  # a missing variable is not null
        ('{"a": 1, "b": 2, "c": 3}', '{"a": 1}', 1 / 3),
        ('{"a": true}', '{"a": 1}', 0),
        ('{"a": 1.0}', '{"a": 1}', 0),
        ("{}", "{}", 1),
        ("{}", '{"a": 1}', 0),
    ],
)
def test_variables_are_right_by_value_and_kind(told, truth, expected):
    assert slot_accuracy(told, truth) == pytest.approx(expected)


@pytest.mark.parametrize("told", ["", '{"a": 1', "[1]", "1", "null", '{"a": 1} x', "{'a': 1}", "[" * 100_000, "9" * 5_000])
def test_what_is_no_json_of_variables_is_wrong(told):
    assert slot_accuracy(told, '{"a": 1}') == slot_accuracy(told, "{}") == 0


@pytest.mark.parametrize(
    ("told", "expected"),
    [("1: a=1\n2: b=2\n3:", 1), ("1: a=1\n2: b=3\n3:", 2 / 3), ("1: a=1", 1 / 3), ("1: a=1\n2: b=2\n3:\n4:", 3 / 4), ("", 0)],
)
def test_lines_of_a_trace_are_right_in_their_place(told, expected):
    assert trace_accuracy(told, "1: a=1\n2: b=2\n3:") == pytest.approx(expected)
    assert trace_accuracy(None, "1: a=1") == 0


def test_a_judgement_is_one_or_none():
    assert verdict("<|answer|>\n1\n<|judge_wrong|>") is False and verdict("<|judge_correct|>") is True
    assert verdict("judge_correct") is None and verdict("<|judge_wrong|><|judge_correct|>") is None
