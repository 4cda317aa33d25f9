"""CRUXEval's output prediction: from a function and a call of it, what the call returns.

Gu et al. 2024, "CRUXEval: A Benchmark for Code Reasoning, Understanding and Execution". A file has a JSON object a line, with the
texts `code` (a program that defines `f`), `input` (what stands between the parentheses of a call of `f`), `output` (what the call
returns, as Python writes it) and `id`; other fields are not read. Nothing of it is ever run.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sfm_ms.tasks import code_execution

_FIELDS = ("id", "code", "input", "output")
_NO_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)  # what ast.literal_eval raises
_MISSING = object()


class Problem(NamedTuple):
    id: str
    code: str
    input: str
    output: str

    @property
    def prompt(self) -> str:
        """In the form of samples of code execution: the program prints what the call returns, and its trace is to follow."""
        return code_execution.prompt(f"{self.code.rstrip()}\nprint(f({self.input}))")

    def is_right(self, answer: str) -> bool:
        """Is the answer what the program prints, or, as in the benchmark's own scorer, a literal that equals the output?"""
        expected = ast.literal_eval(self.output)
        return answer == str(expected) or _literal(answer) == expected


def read(path: str | Path) -> list[Problem]:
    """The problems of a file; ValueError names the file, the line and the field that is not as it should be."""
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a text file of CRUXEval ({error})") from error
    found = [_problem(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise ValueError(f"{path}: expected a JSON object a line, got an empty file")
    return found


def _problem(line: str, place: str) -> Problem:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place}: not valid JSON ({error})") from error
    if not isinstance(fields, dict):
        raise ValueError(f"{place}: expected a JSON object, got {line.strip()[:60]}")
    for name in _FIELDS:
        if not isinstance(fields.get(name), str):
            raise ValueError(f"{place}: {name}: expected text, got {fields[name]!r}" if name in fields else f"{place}: no {name}")
    if _literal(fields["output"]) is _MISSING:
        raise ValueError(f"{place}: output: expected a Python literal, got {fields['output']!r}")
    return Problem(*(fields[name] for name in _FIELDS))


def _literal(text: str) -> Any:
    """The value of a Python literal; _MISSING, which equals nothing else, for any other text."""
    try:
        return ast.literal_eval(text)
    except _NO_LITERAL:
        return _MISSING


def exact_match(problems: Sequence[Problem], answers: Sequence[str]) -> float:
    """The share of the problems with a right answer."""
    return sum(problem.is_right(answer) for problem, answer in zip(problems, answers, strict=True)) / len(problems)
