"""The readers that need no model, and the backward slice against a search through every statement."""

import dataclasses

import numpy as np
import pytest

from sfm_ms.tasks.state_tracking import VARIABLES, Language, generate, true_answers
from sfm_ms.tasks.trivial_readers import backward_slice, majority_class, window_reader


@pytest.mark.parametrize("family", ["classic", "full", "chained"])
def test_window_reader_is_exact_where_the_window_tells_and_guesses_elsewhere(family):
    programs = generate(Language(family), 3, 0, np.arange(400), 30, 30)
    truth = true_answers(programs)
    assert np.array_equal(window_reader(programs, 35, otherwise=-1), truth)
    for window in (1, 8, 16):
        guesses = window_reader(programs, window, otherwise=-1)
        assert np.array_equal(guesses[guesses >= 0], truth[guesses >= 0])
        # What it knows must follow from the window alone: other values before the window change nothing.
        before = np.arange(35) < 35 - window
        changed = dataclasses.replace(programs, right=np.where(before & ~programs.right_is_variable, 1, programs.right))
        assert np.array_equal(window_reader(changed, window, otherwise=-1), guesses)
        assert (guesses == -1).any() and (family == "chained" or (guesses >= 0).any())


def test_majority_class():
    assert majority_class(np.array([3, 100, 100, 7])) == (100, 0.5)


def slice_of_text(lines: list[str], asked: str) -> int:
    """The static backward slice, read off the text of the statements."""
    needed, size = {asked}, 0
    for line in reversed(lines):
        names = [word for word in line.replace(",", " ").replace(":", " ").split() if word in VARIABLES]
        if line.startswith("if"):
            if names[2] in needed:
                needed, size = needed | set(names), size + 1
        elif "," in line:
            a, b = names[:2]
            size += bool(needed & {a, b})
            needed = {{a: b, b: a}.get(name, name) for name in needed}
        elif names[0] in needed:
            needed, size = (needed - {names[0]}) | set(names[1:]) | ({names[0]} if "+=" in line else set()), size + 1
    return size


@pytest.mark.parametrize("family", ["classic", "full", "chained"])
def test_backward_slice_is_that_of_the_text(family):
    programs = generate(Language(family), 3, 0, np.arange(300), 3, 40)
    sizes = backward_slice(programs)
    for i in range(len(programs)):
        assert sizes[i] == slice_of_text(programs.lines(i), VARIABLES[programs.queried[i]])


def test_the_slice_grows_with_the_length_in_chained_and_levels_off_in_classic():
    def mean_size(family, operations):
        return backward_slice(generate(Language(family), 0, 0, np.arange(300), operations, operations)).mean()

    assert mean_size("classic", 320) < 6
    assert mean_size("chained", 320) > 1.9 * mean_size("chained", 160) > 3.6 * mean_size("chained", 80) > 80
