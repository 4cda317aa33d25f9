"""The judges of confidence against brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sfm_ms.tasks.calibration import area_under_roc, can_rank, error_at_coverage, expected_calibration_error


def cases():
    rng = np.random.default_rng(0)
    for size in (2, 3, 10, 40):
        for levels in (3, 1000):  # few levels: many ties
            scores, is_right = rng.integers(0, levels + 1, size) / levels, rng.random(size) < 0.6
            is_right[:2] = True, False
            yield scores, is_right


def test_area_is_the_share_of_pairs_in_order():
    for scores, is_right in cases():
        pairs = [(r > w) + (r == w) / 2 for r in scores[is_right] for w in scores[~is_right]]
        assert np.isclose(area_under_roc(scores, is_right), np.mean(pairs))
    assert area_under_roc([0.1, 0.2, 0.3], [0, 1, 1]) == 1
    assert area_under_roc([0.1, 0.2, 0.3], [1, 0, 0]) == 0
    assert area_under_roc([5, 5, 5, 5], [1, 0, 0, 0]) == 0.5


@pytest.mark.parametrize("kind", [0, 1])
def test_area_of_one_kind_of_answers_is_refused(kind):
    with pytest.raises(ValueError, match=r"is_right: expected answers of both kinds, got [02] right and [02] wrong"):
        area_under_roc([0.1, 0.2], [kind, kind])


def test_can_rank_answers_of_both_kinds_with_scores_that_differ():
    assert can_rank([0.1, 0.2], [0, 1])
    assert not can_rank([0.1, 0.2], [1, 1]) and not can_rank([0.1, 0.2], [0, 0]) and not can_rank([0.1, 0.1], [0, 1])


@pytest.mark.parametrize("num_bins", [1, 2, 15])
def test_calibration_error_is_the_loop_over_bins(num_bins):
    for probabilities, is_right in cases():
        expected = 0
        for i in range(1, num_bins + 1):
            inside = (probabilities > (i - 1) / num_bins) & (probabilities <= i / num_bins)
            if i == 1:
                inside |= probabilities == 0
            if inside.any():
                expected += inside.mean() * abs(is_right[inside].mean() - probabilities[inside].mean())
        assert np.isclose(expected_calibration_error(probabilities, is_right, num_bins), expected)


def test_calibration_error_of_the_sure():
    assert expected_calibration_error([1, 1, 0], [1, 1, 0]) == 0
    assert expected_calibration_error([1, 1, 0, 0], [0, 0, 1, 1]) == 1
    assert expected_calibration_error([0.8] * 10, [1] * 8 + [0] * 2) == pytest.approx(0)


def test_error_at_coverage_is_the_mean_over_all_choices_of_the_best():
    for scores, is_right in cases():
        size = len(scores)
        if size > 10:
            continue
        for num_answered in range(1, size + 1):
            choices = [list(choice) for choice in combinations(range(size), num_answered)]
            best = max(scores[choice].sum() for choice in choices)
            errors = [(~is_right[choice]).mean() for choice in choices if np.isclose(scores[choice].sum(), best, atol=1e-9)]
            assert np.isclose(error_at_coverage(scores, is_right, num_answered / size), np.mean(errors))


def test_error_at_coverage_rounds_up_to_whole_answers():
    scores, is_right = np.arange(30), np.arange(30) < 27  # the best three are wrong
    assert error_at_coverage(scores, is_right, 0.1) == 1
    assert error_at_coverage(scores, is_right, 0.101) == 3 / 4
    assert error_at_coverage(scores, is_right, 1e-3) == 1
    assert error_at_coverage(scores, is_right, 1) == 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: area_under_roc([], []), r"scores, is_right: expected one number an answer, got shapes \(0,\) and \(0,\)"),
        (lambda: area_under_roc([0.1, 0.2], [1]), r"got shapes \(2,\) and \(1,\)"),
        (lambda: area_under_roc([0.1, float("nan")], [1, 0]), "scores: expected finite numbers, got nan"),
        (lambda: area_under_roc([0.1, 0.2], [0.5, 0]), "is_right: expected 0 or 1, got 0.5"),
        (lambda: expected_calibration_error([0.5, 1.5], [1, 0]), "probabilities: expected 0 to 1, got 0.5 to 1.5"),
        (lambda: expected_calibration_error([0.5], [1], num_bins=0), "num_bins: expected at least 1, got 0"),
        (lambda: error_at_coverage([0.5], [1], 0), "coverage: expected above 0 and up to 1, got 0"),
        (lambda: error_at_coverage([0.5], [1], 1.5), "coverage: expected above 0 and up to 1, got 1.5"),
    ],
)
def test_impossible_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
