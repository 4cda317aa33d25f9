"""The special tokens of samples of code, and the spans of text that a sample is made of."""

from __future__ import annotations

from typing import NamedTuple

NAMES = (
    "code", "trace", "answer", "slots", "monologue", "judge_correct", "judge_wrong", "explanation", "buggy_code", "error",
    "reasoning", "fix", "concept", "usage", "documentation", "task", "think", "verify",
)  # fmt: skip


def marker(name: str) -> str:
    """The special token of this name; ValueError unless it is one of NAMES."""
    if name not in NAMES:
        raise ValueError(f"marker: expected one of {', '.join(NAMES)}, got {name!r}")
    return f"<|{name}|>"


SPECIAL_TOKENS = tuple(map(marker, NAMES))


class Span(NamedTuple):
    text: str
    is_learned: bool  # the loss falls on its tokens
    is_judge: bool = False  # the token of the judgement, always the last: what judges must not see it


def part(name: str, text: str) -> str:
    """A part of a sample: its token and its text, each on lines of its own."""
    return f"{marker(name)}\n{text}\n"


def spans(given: list[tuple[str, str]], produced: list[tuple[str, str]], is_correct: bool) -> list[Span]:
    """Parts (name, text) as spans: those given, those that are to be produced after them, and the judgement.

    What is wrong is not learned, only that it is wrong. The token of the first produced part belongs to what is given.
    """
    opening = f"{marker(produced[0][0])}\n"
    before = "".join(part(*each) for each in given) + opening
    after = "".join(part(*each) for each in produced).removeprefix(opening)
    judgement = marker("judge_correct" if is_correct else "judge_wrong")
    return [Span(before, False), Span(after, is_correct), Span(judgement, True, is_judge=True)]
