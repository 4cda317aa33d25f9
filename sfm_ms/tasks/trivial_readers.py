"""What a test says without any model: how often one label comes, what the last lines tell, how far back answers reach."""

from __future__ import annotations

import numpy as np

from sfm_ms.tasks.state_tracking import ASSIGN, CONDITIONAL, COPY, SWAP, Programs, at_the_end, run


def majority_class(labels: np.ndarray) -> tuple[int, float]:
    """The most frequent label and the accuracy of always answering it."""
    label = int(np.bincount(labels).argmax())
    return label, float((labels == label).mean())


def window_reader(programs: Programs, window: int, otherwise: int) -> np.ndarray:
    """Answers of an exact interpreter that sees only the last `window` lines, or `otherwise` where those do not tell."""
    values, known = run(programs, window)
    return np.where(at_the_end(programs, known), at_the_end(programs, values), otherwise)


def backward_slice(programs: Programs) -> np.ndarray:
    """How many statements of each program its answer may depend on, (P,): its static backward slice.

    A statement belongs to it if it writes a variable that is needed further down (Weiser 1984, "Program Slicing"). A
    conditional assignment needs its test and leaves its target needed, for it may not be taken.
    """
    rows = np.arange(len(programs))
    needed = np.zeros((len(programs), programs.language.num_variables), bool)
    needed[rows, programs.queried] = True
    size = np.zeros(len(programs), np.int64)
    for t in reversed(range(programs.kind.shape[1])):
        kind, target = programs.kind[:, t], programs.target[:, t]
        variable = np.where(programs.right_is_variable[:, t], programs.right[:, t], target)
        is_swap = kind == SWAP
        belongs = (needed[rows, target] | (is_swap & needed[rows, variable])) & (t < programs.lengths)
        size += belongs

        r = rows[belongs & is_swap]
        needed[r, target[r]], needed[r, variable[r]] = needed[r, variable[r]], needed[r, target[r]].copy()
        r = rows[belongs & ((kind == ASSIGN) | (kind == COPY))]
        needed[r, target[r]] = False
        r = rows[belongs & (kind != ASSIGN) & ~is_swap]
        needed[r, variable[r]] = True
        r = rows[belongs & (kind == CONDITIONAL)]
        needed[r, programs.left[r, t]] = needed[r, programs.than[r, t]] = True
    return size
