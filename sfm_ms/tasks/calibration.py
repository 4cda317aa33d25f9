"""How much to trust a model that says how sure it is: does it rank, is it calibrated, what does abstaining buy.

Every function takes arrays of one number an answer; `is_right` holds 1 or True where the answer was right.
"""

from __future__ import annotations

import math

import numpy as np


def area_under_roc(scores, is_right) -> float:
    """The chance that an answer that is right has a higher score than one that is wrong; equal scores count half.

    Mann and Whitney's U over the number of pairs. Without a pair it is not defined: ValueError.
    """
    scores, is_right = _answers("scores", scores, is_right)
    right, wrong = scores[is_right], np.sort(scores[~is_right])
    if len(right) == 0 or len(wrong) == 0:
        raise ValueError(f"is_right: expected answers of both kinds, got {len(right)} right and {len(wrong)} wrong")
    lower_or_equal = np.searchsorted(wrong, right, "right")
    return float((np.searchsorted(wrong, right, "left") + lower_or_equal).sum() / (2 * len(right) * len(wrong)))


def can_rank(scores, is_right) -> bool:
    """Whether there is anything to tell apart: answers of both kinds, and scores that differ."""
    scores, is_right = _answers("scores", scores, is_right)
    return bool(is_right.any() and not is_right.all() and np.ptp(scores) > 0)


def expected_calibration_error(probabilities, is_right, num_bins: int = 15) -> float:
    """Mean distance of claimed and true accuracy; Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3.

    Bin i of I holds probabilities above (i - 1) / I and up to i / I, the first also 0; bins count by their size.
    """
    probabilities, is_right = _answers("probabilities", probabilities, is_right)
    if num_bins < 1:
        raise ValueError(f"num_bins: expected at least 1, got {num_bins}")
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise ValueError(f"probabilities: expected 0 to 1, got {probabilities.min()} to {probabilities.max()}")
    bins = np.searchsorted(np.arange(1, num_bins) / num_bins, probabilities, "left")
    return float(np.abs(np.bincount(bins, is_right - probabilities)).sum() / len(probabilities))


def error_at_coverage(scores, is_right, coverage: float) -> float:
    """The share of wrong answers among the `coverage` share, rounded up to whole answers, with the highest scores.

    Where answers of equal scores straddle the cut, as many as fit count with their mean error: the order does not matter.
    """
    scores, is_right = _answers("scores", scores, is_right)
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage: expected above 0 and up to 1, got {coverage}")
    num_answered = max(1, math.ceil(coverage * len(scores) - 1e-9))  # 0.1 * 30 is a little more than 3
    cut = np.sort(scores)[-num_answered]
    above, at_cut = scores > cut, scores == cut
    num_wrong = (~is_right[above]).sum() + (num_answered - above.sum()) * (~is_right[at_cut]).mean()
    return float(num_wrong / num_answered)


def _answers(name: str, numbers, is_right) -> tuple[np.ndarray, np.ndarray]:
    numbers, is_right = np.asarray(numbers, np.float64), np.asarray(is_right)
    if numbers.ndim != 1 or len(numbers) == 0 or numbers.shape != is_right.shape:
        raise ValueError(f"{name}, is_right: expected one number an answer, got shapes {numbers.shape} and {is_right.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name}: expected finite numbers, got {numbers[~np.isfinite(numbers)][0]}")
    if not np.isin(is_right, (0, 1)).all():
        raise ValueError(f"is_right: expected 0 or 1, got {is_right[~np.isin(is_right, (0, 1))][0]}")
    return numbers, is_right.astype(bool)
