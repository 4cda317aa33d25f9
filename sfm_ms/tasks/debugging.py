"""Debugging: a function with a slip in it and tests that show it, what goes wrong, why, and the function without the slip.

A sample reads

    <|buggy_code|> the function, then `assert` lines that call it
    <|error|>      how the first test that fails does so
    <|reasoning|>  what the failing call did, line by line, and which line must read otherwise
    <|fix|>        the function with that line changed
    <|judge_correct|> or <|judge_wrong|>

Functions and tests are those of program_functions.py, slips those of mutations.py. The interpreter has run all: the buggy program
fails, by a false assertion or an exception, and the fixed one passes. In a wrong sample the fix changes another line or the same
line otherwise, and fails a test as well. The loss falls on reasoning and fix, in a wrong sample on the judgement alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from sfm_ms.tasks.code_execution import LIMITS, SHARE_WRONG, check_arguments
from sfm_ms.tasks.interpreter import Execution, ProgramError, evaluate, execute
from sfm_ms.tasks.mutations import Mutation, mutations
from sfm_ms.tasks.program_functions import FunctionSource, function
from sfm_ms.tasks.program_writer import Writer
from sfm_ms.tasks.special_tokens import Span, spans
from sfm_ms.tasks.telling import changes, sentences, value_text

_NUM_TESTS = 3
_MAX_SENTENCES = 8  # of a reasoning, about what the failing call did
_ATTEMPTS = 10_000
_NOT_PYTHONS = ("Unsupported", "StepLimit", "MemoryLimit", "IntegerLimit", "DepthLimit", "TimeLimit")  # errors


@dataclass(frozen=True)
class DebuggingSample:
    """A buggy program with a fix: texts of the parts, and whether the fix passes the tests."""

    difficulty: int
    kind: str  # of mutations.KINDS: the slip
    buggy_code: str
    error: str
    reasoning: str
    fix: str
    tests: str
    is_correct: bool

    def spans(self) -> list[Span]:
        given = [("buggy_code", self.buggy_code), ("error", self.error)]
        return spans(given, [("reasoning", self.reasoning), ("fix", self.fix)], self.is_correct)

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans())


def sample(
    seed: int, index: int, difficulty: int, *, share_wrong: float = SHARE_WRONG, max_characters: int = 1600
) -> DebuggingSample:
    """Sample `index`: a pure function of the arguments, which are those of code_execution.sample. ValueError as there."""
    check_arguments(difficulty, share_wrong, max_characters)
    rng = random.Random(f"debugging {seed} {difficulty} {index}")
    is_correct = rng.random() >= share_wrong
    for _ in range(_ATTEMPTS):
        drawn = _drawn(rng, difficulty, is_correct)
        if drawn is not None and len(drawn.text) <= max_characters:
            return drawn
    raise AssertionError(f"no function of difficulty {difficulty} fits {max_characters} characters")


def _drawn(rng: random.Random, difficulty: int, is_correct: bool) -> DebuggingSample | None:
    source = function(Writer(rng), difficulty)
    calls = _tests(source)
    if calls is None:
        return None
    code = "\n".join(source.lines)
    tests = "\n".join(f"assert {call} == {expected}" for call, expected in calls)
    slip = _failing(rng, code, tests)
    if slip is None:
        return None
    fix = Mutation(slip.kind, slip.line, slip.after, slip.before, code)
    if not is_correct:
        fix = _failing(rng, slip.source, tests, other_than=code)
        if fix is None:
            return None
    error, call = _what_fails(slip.source, calls)
    reasoning = _reasoning(slip.source, call, fix)
    return DebuggingSample(difficulty, slip.kind, f"{slip.source}\n{tests}", error, reasoning, fix.source, tests, is_correct)


def _tests(source: FunctionSource) -> list[tuple[str, str]] | None:
    """Different calls of the function, each with the text of what it returns; None where one raises."""
    code, calls = "\n".join(source.lines), {}
    for _ in range(4 * _NUM_TESTS):
        call = source.call()
        try:
            calls[call] = value_text(evaluate(code, call, limits=LIMITS))
        except ProgramError:
            return None
        if len(calls) == _NUM_TESTS:
            break
    return list(calls.items())


def outcome(code: str, tests: str) -> Execution:
    """The run of the code with its tests: without an error where it passes."""
    return execute(f"{code}\n{tests}", limits=LIMITS)


def _failing(rng: random.Random, code: str, tests: str, other_than: str = "") -> Mutation | None:
    """A change of the code that makes a test fail, by what Python raises and not by a limit; None where there is none.

    Kinds come before places, or most slips would be in names.
    """
    candidates = mutations(code)
    while candidates:
        kind = rng.choice(sorted({candidate.kind for candidate in candidates}))
        candidate = rng.choice([each for each in candidates if each.kind == kind])
        candidates.remove(candidate)
        error = outcome(candidate.source, tests).error
        if candidate.source != other_than and error and not error.startswith(_NOT_PYTHONS):
            return candidate
    return None


def _what_fails(buggy: str, calls: list[tuple[str, str]]) -> tuple[str, str]:
    """Words about the first test that fails, and its call."""
    for call, expected in calls:
        try:
            found = value_text(evaluate(buggy, call, limits=LIMITS))
        except ProgramError as error:
            return f"{call} must give {expected}, but raises {error}", call
        if not evaluate(buggy, f"{call} == {expected}", limits=LIMITS):
            return f"{call} must give {expected}, but gives {found}", call
    raise AssertionError("no test fails")


def _reasoning(buggy: str, call: str, fix: Mutation) -> str:
    """What the call does in the buggy function, then the change."""
    program = f"{buggy}\n{call}"
    told = sentences(changes(program, execute(program, limits=LIMITS).trace))
    if len(told) > _MAX_SENTENCES:
        told = [*told[: _MAX_SENTENCES // 2], "...", *told[-_MAX_SENTENCES // 2 :]]
    return "\n".join([f"In {call}:", *told, f"Line {fix.line} reads `{fix.before}`. It must be `{fix.after}`."])
