"""The special tokens of samples of code, and the spans of text that a sample is made of."""

from __future__ import annotations

from typing import NamedTuple

NAMES = (
    "code", "trace", "answer", "slots", "monologue", "judge_correct", "judge_wrong", "explanation", "buggy_code", "error",
    "reasoning", "fix", "concept", "usage", "documentation", "task", "think", "verify",
)  # fmt: skip
SPECIAL_TOKENS = tuple(f"<|{name}|>" for name in NAMES)


class Span(NamedTuple):
    text: str
    is_learned: bool  # the loss falls on its tokens
    is_judge: bool = False  # the token of the judgement, always the last: what judges must not see it


def part(name: str, text: str) -> str:
    """A part of a sample: its token and its text, each on lines of its own."""
    return f"<|{_checked(name)}|>\n{text}\n"


def spans(given: list[tuple[str, str]], produced: list[tuple[str, str]], is_correct: bool) -> list[Span]:
    """Parts (name, text) as spans: those given, those that are to be produced after them, and the judgement.

    What is wrong is not learned, only that it is wrong. The token of the first produced part belongs to what is given.
    """
    first = produced[0][0]
    before = "".join(part(*each) for each in given) + f"<|{_checked(first)}|>\n"
    after = "".join(part(*each) for each in produced).removeprefix(f"<|{first}|>\n")
    judgement = f"<|{'judge_correct' if is_correct else 'judge_wrong'}|>"
    return [Span(before, False), Span(after, is_correct), Span(judgement, True, is_judge=True)]


def _checked(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"name: expected one of {', '.join(NAMES)}, got {name!r}")
    return name
