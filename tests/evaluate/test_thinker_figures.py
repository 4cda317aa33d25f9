"""Figures of what a Thinker told, from texts alone, and the table of them."""

from __future__ import annotations

import numpy as np
import pytest

from sfm_ms.evaluate import table
from sfm_ms.evaluate.own_programs import Solved, Told
from sfm_ms.evaluate.thinker import judge_figures, share_mended, told_figures
from sfm_ms.recipe import load
from sfm_ms.tasks import code_execution, debugging

CORRECT = [code_execution.sample(0, index, 1, share_wrong=0) for index in range(4)]
WRONG = [code_execution.sample(0, index, 1, share_wrong=1) for index in range(4)]
BUGGY = [debugging.sample(0, index, 1, share_wrong=0) for index in range(3)]


def opening(sample):
    """The prompt alone."""
    return sample.spans()[0].text


def test_what_is_told_right_counts():
    found = told_figures(CORRECT, [CORRECT[0].text, CORRECT[1].text, opening(CORRECT[2]), opening(CORRECT[3])])
    assert found["exact_match"] == found["slot_accuracy"] == found["trace_accuracy"] == 0.5
    answers = [sample.answer for sample in CORRECT]
    assert found["majority_class"] == max(map(answers.count, answers)) / 4
    assert told_figures(CORRECT[:1], [CORRECT[0].text])["majority_class"] == 1


def test_the_judge_is_measured_by_its_ranking_where_there_is_one():
    both = [CORRECT[0], WRONG[0], CORRECT[1], WRONG[1]]
    assert judge_figures(both, np.array([3.0, 1.0, 2.0, -1.0])) == {"judge_auc": 1.0}
    assert judge_figures(both, np.array([0.0, 1.0, 2.0, -1.0])) == {"judge_auc": 0.75}
    assert judge_figures(both, np.full(4, 0.3)) == {}
    assert judge_figures(CORRECT, np.arange(4.0)) == judge_figures(WRONG, np.arange(4.0)) == {}


def test_a_fix_counts_where_its_tests_pass():
    told = [BUGGY[0].text, opening(BUGGY[1]), f"{opening(BUGGY[2])}\n<|fix|>\ndef f(:\n<|judge_correct|>"]
    assert share_mended(BUGGY, told) == pytest.approx(1 / 3)
    assert share_mended(BUGGY[:1], [BUGGY[0].text.replace(BUGGY[0].fix, BUGGY[0].buggy_code)]) == 0
    assert share_mended(BUGGY[:1], [f"{opening(BUGGY[0])}\n<|fix|>\n"]) == 0


def test_the_table_has_a_line_for_each_difficulty_and_no_column_without_a_figure():
    results = {
        "exact_match": {"1": 0.75, "3": 0.5},
        "slot_accuracy": {"1": 0.875, "3": 0.6},
        "trace_accuracy": {"1": 1.0, "3": 0.25},
        "judge_auc": {"3": 0.8125},
        "majority_class": {"1": 0.25, "3": 0.5},
        "fixes": {},
    }
    recipe = load("debug/thinker")
    header, first, third = table(results, recipe).splitlines()
    assert header.split("  ") == ["difficulty", "exact", "majority class", "slots", "trace lines", "judge's area under ROC"]
    assert first.split() == ["1", "75.0%", "25.0%", "87.5%", "100.0%"]
    assert third.split() == ["3", "50.0%", "50.0%", "60.0%", "25.0%", "0.812"]
    assert "fixes that pass" in table({**results, "fixes": {"1": 0.0, "3": 0.0}}, recipe)


def test_what_is_printed_of_own_programs():
    assert str(Told("told\n<|judge_wrong|>", 0.25)) == "told\n<|judge_wrong|>\njudge: 25.0% that this is right"
    assert str(Told("told", 0.8306)).endswith("\njudge: 83.1% that this is right, but it comes to no judgement of its own")
    line = "CRUXEval: 37.5% answered rightly, 3 of 8 problems; 2 do not fit the window of 64 tokens and count as wrong"
    assert str(Solved(8, 3, 2, 64)) == line
