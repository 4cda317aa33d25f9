"""Code execution: programs of difficulty 1 to 5 with what they do, line by line, and the question what they print.

A sample reads

    <|code|>       the program, which ends with `print(...)`, its lines numbered
    <|trace|>      each line that ran, as it reads, with what it gave to which variable
    <|slots|>      the variables at the end, as JSON
    <|monologue|>  the same as a short reasoning, line by line of the program
    <|answer|>     what is printed
    <|judge_correct|> or <|judge_wrong|>

In a wrong sample everything from the trace to the answer is that of another program, which differs from the shown one in one
operator or constant and prints something else. The lines of its trace read as in the shown one, so only who executes the program
can see it. The loss falls on what follows the program, in a wrong sample on the judgement alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sfm_ms.tasks.interpreter import Limits, execute
from sfm_ms.tasks.mutations import mutations
from sfm_ms.tasks.programs import DIFFICULTIES, program
from sfm_ms.tasks.special_tokens import Span, spans
from sfm_ms.tasks.telling import changes, monologue, numbered, slots, trace_text

LIMITS = Limits(steps=1000, cells=100_000, integer_bits=64, depth=20)
SHARE_WRONG = 0.15
_CORRUPTIONS = ("operator", "comparison", "constant")
_MAX_TRACE = 48  # executed lines
_MAX_ANSWER = 60  # characters
_LARGEST = 999_999  # larger numbers are of no use to who learns what programs do
_NUMBER = re.compile(r"\d+")
_LITERAL = re.compile(r"\w+ = [^a-z(]*")  # a changed number would stand in the trace beside the shown one
_STILL_OR_NEGATIVE = re.compile(r"^\d+: \w+ .?= \w+$|-> \w+=-", re.MULTILINE)  # a move that changes nothing, or below 0
_ATTEMPTS = 10_000


@dataclass(frozen=True)
class CodeSample:
    """A program with what it is said to do: texts of the parts, and whether they are true."""

    difficulty: int
    code: str
    trace: str
    slots: str
    monologue: str
    answer: str
    is_correct: bool
    executed: str  # the program that did what is told: `code` itself in a correct sample

    def spans(self) -> list[Span]:
        produced = [("trace", self.trace), ("slots", self.slots), ("monologue", self.monologue), ("answer", self.answer)]
        return spans([("code", numbered(self.code))], produced, self.is_correct)

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans())


def prompt(code: str) -> str:
    """What is given of a sample: the program, and the token that its trace is to follow."""
    return spans([("code", numbered(code))], [("trace", "")], is_correct=True)[0].text


def sample(
    seed: int,
    index: int,
    difficulty: int,
    *,
    share_wrong: float = SHARE_WRONG,
    max_characters: int = 2400,
    largest_number: int = _LARGEST,
    only_moves: bool = False,
) -> CodeSample:
    """Sample `index`: a pure function of the arguments.

    share_wrong: chance, 0 to 1, that what is told is wrong. max_characters: of the whole text, at least 400. largest_number: of
    those that variables get, at least 1. Programs that have more to tell are drawn again. only_moves: the simplest programs, of
    difficulty 1, each line of which gives a variable another digit. ValueError for anything else.
    """
    check_arguments(difficulty, share_wrong, max_characters)
    if largest_number < 1:
        raise ValueError(f"largest_number: expected at least 1, got {largest_number}")
    rng = random.Random(f"code_execution {seed} {difficulty} {index}")
    is_correct = rng.random() >= share_wrong
    for _ in range(_ATTEMPTS):
        code = program(rng, difficulty, largest_number, only_moves)
        truth = told(code, code, difficulty, largest_number)
        drawn = truth if is_correct or truth is None else _corrupted(rng, truth, largest_number)
        if (
            drawn is not None
            and len(drawn.text) <= max_characters
            and not (only_moves and _STILL_OR_NEGATIVE.search(drawn.trace))
        ):
            return drawn
    raise AssertionError(f"no program of difficulty {difficulty} fits {max_characters} characters")


def check_arguments(difficulty: int, share_wrong: float, max_characters: int) -> None:
    if difficulty not in DIFFICULTIES:
        raise ValueError(f"difficulty: expected one of {', '.join(map(str, DIFFICULTIES))}, got {difficulty!r}")
    if not 0 <= share_wrong <= 1:
        raise ValueError(f"share_wrong: expected a chance between 0 and 1, got {share_wrong}")
    if max_characters < 400:
        raise ValueError(f"max_characters: expected at least 400, got {max_characters}")


def told(code: str, executed: str, difficulty: int, largest_number: int = _LARGEST) -> CodeSample | None:
    """The sample that shows `code` and tells what `executed` does; None where that raises, or is too long or large to tell."""
    run = execute(executed, limits=LIMITS)
    answer = run.output.removesuffix("\n")
    if run.error or len(run.trace) > _MAX_TRACE or not 0 < len(answer) <= _MAX_ANSWER or "\n" in answer:
        return None
    steps = changes(executed, run.trace)
    if any(int(number) > largest_number for step in steps for _, text in step.values for number in _NUMBER.findall(text)):
        return None
    trace, told_slots = trace_text(code, steps), slots(run.variables)
    return CodeSample(difficulty, code, trace, told_slots, monologue(steps, answer), answer, code == executed, executed)


def _corrupted(rng: random.Random, truth: CodeSample, largest_number: int) -> CodeSample | None:
    """The same program with what another does that is one change away and prints something else; None where there is none."""
    candidates = [each for each in mutations(truth.code, _CORRUPTIONS) if not _LITERAL.fullmatch(each.before)]
    rng.shuffle(candidates)
    for candidate in candidates:
        wrong = told(truth.code, candidate.source, truth.difficulty, largest_number)
        if wrong is not None and wrong.answer != truth.answer:
            return wrong
    return None


def draw_difficulty(seed: int, index: int, weights: Sequence[float]) -> int:
    """The difficulty of sample `index`, drawn with these weights of difficulties 1 to 5: not negative, not all 0."""
    if len(weights) != len(DIFFICULTIES) or min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(f"weights: expected {len(DIFFICULTIES)} that are not negative and not all 0, got {list(weights)}")
    return random.Random(f"difficulty {seed} {index}").choices(DIFFICULTIES, weights)[0]
