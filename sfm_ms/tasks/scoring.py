"""How much of what a model told of a program is right: its trace, its variables at the end, what it prints, and the judgement.

Whatever is missing or malformed counts as wrong.
"""

from __future__ import annotations

import json
import re
from itertools import zip_longest
from typing import NamedTuple

from sfm_ms.tasks.code_execution import CodeSample
from sfm_ms.tasks.special_tokens import NAMES

_MARKER = re.compile(rf"<\|({'|'.join(NAMES)})\|>")


class Score(NamedTuple):
    """Of a told sample, each from 0 to 1."""

    answer: float  # 1 where it is what the program prints
    slots: float  # share of the variables, true or told, that are there with their value
    trace: float  # share of the lines, true or told, that are right in their place


def parts(text: str) -> dict[str, str]:
    """What follows each marker of a text, {name: text} without the line breaks around; of a marker that comes twice, the first.

    text: the prompt and what was generated after it, since the first produced part's marker is the prompt's.
    """
    pieces = _MARKER.split(text)
    found: dict[str, str] = {}
    for name, part in zip(pieces[1::2], pieces[2::2], strict=True):
        found.setdefault(name, part.removeprefix("\n").removesuffix("\n"))
    return found


def score(text: str, truth: CodeSample) -> Score:
    """text: as in `parts`. truth: a correct sample of the same program, ValueError otherwise."""
    if not truth.is_correct:
        raise ValueError("truth: expected a correct sample, got a wrong one")
    told = parts(text)
    answer = float(told.get("answer") == truth.answer)
    return Score(answer, slot_accuracy(told.get("slots", ""), truth.slots), trace_accuracy(told.get("trace"), truth.trace))


def slot_accuracy(told: str, truth: str) -> float:
    """Both JSON of variables. Values must be of the same kind too: 1 is neither 1.0 nor true."""
    told, truth = _variables(told), _variables(truth)
    if told is None:
        return 0.0
    names = told.keys() | truth.keys()
    return sum(told.get(name) == truth.get(name) for name in names) / len(names) if names else 1.0


def _variables(text: str) -> dict[str, str] | None:
    """{name: JSON of its value in one spelling}; None for what is no JSON of variables."""
    try:
        variables = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return {name: json.dumps(value, sort_keys=True) for name, value in variables.items()} if isinstance(variables, dict) else None


def trace_accuracy(told: str | None, truth: str) -> float:
    if told is None:
        return 0.0
    lines = list(zip_longest(told.split("\n"), truth.split("\n")))
    return sum(line == true for line, true in lines) / len(lines)


def verdict(text: str) -> bool | None:
    """The judgement: True for correct, False for wrong, None where there is none or both."""
    said = parts(text).keys() & {"judge_correct", "judge_wrong"}
    return "judge_correct" in said if len(said) == 1 else None
