"""Programs over a few variables as Python code, with the values that they assign and print as comments below:

    a = 3
    # 3
    b = 7
    # 7
    a = (a + b) % 10
    # 0
    print(b)
    # 7

The programs are those of tasks/state_tracking.py, family `chained`, as Python runs them; the answers are the numbers in the
comments. At the end a program prints the value that it asks for; a bare one does no more. A program for training also prints
values after some of its operations, and it may be annotated, with a comment below each of its statements: the value of the
variable that the statement assigns to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sfm_ms.tasks.state_tracking import UPDATE, Language, Programs, generate, run

_QUESTIONS = 2**31  # added to the stream of the programs: of the random numbers that say what is printed


class Chances(NamedTuple):
    """Of what programs for training have besides their statements."""

    annotated: float  # a program has a comment below each of its statements, and not none
    question: float  # a printed value follows an operation


class Transcript(NamedTuple):
    text: str
    answers: list[tuple[int, int]]  # characters of what is assigned or printed: the first, and one past the last

    def followed_by(self, other: Transcript) -> Transcript:
        start = len(self.text)
        return Transcript(self.text + other.text, self.answers + [(start + first, start + last) for first, last in other.answers])


def transcripts(
    language: Language,
    seed: int,
    stream: int,
    indices: np.ndarray,
    min_operations: int,
    max_operations: int,
    chances: Chances | None,
) -> list[Transcript]:
    """Transcripts `indices` of a stream; number i is a pure function of (seed, stream, i) and of the distribution.

    language: of the family `chained`. chances: None for bare programs.
    """
    programs = generate(language, seed, stream, indices, min_operations, max_operations)
    values = run(programs)[0]
    texts = []
    for row, index in enumerate(indices):
        num_statements = int(programs.lengths[row])
        is_commented, asked = np.zeros(num_statements, bool), [()] * num_statements
        if chances is not None:
            generator = np.random.Generator(np.random.Philox(key=[seed, _QUESTIONS + stream], counter=[0, 0, 0, int(index)]))
            is_commented, asked = _additions(generator, num_statements, language.num_variables, chances)
        asked[-1] = programs.queried[row : row + 1]
        texts.append(_transcript(programs[row : row + 1], is_commented, asked, values[row]))
    return texts


def _additions(generator: np.random.Generator, num_statements: int, num_variables: int, chances: Chances):
    """Of each statement: has it a comment, and which variables are printed after it."""
    is_commented = np.full(num_statements, generator.random() < chances.annotated)
    is_asked = generator.random(num_statements) < chances.question
    is_asked[:num_variables] = False
    variables = generator.integers(num_variables, size=num_statements)
    return is_commented, [(variable,) if asks else () for variable, asks in zip(variables, is_asked, strict=True)]


def _transcript(program: Programs, is_commented: np.ndarray, asked: Sequence, values: np.ndarray) -> Transcript:
    """values: (T, V) after each statement."""
    language, text, answers = program.language, "", []
    for t, line in enumerate(program.lines(0)):
        if program.kind[0, t] == UPDATE:
            target, expression = line.split(" = ")
            line = f"{target} = ({expression}) % {language.modulus}"
        text += line + "\n"
        said = [("", program.target[0, t])] if is_commented[t] else []
        said += [(f"print({language.variables[variable]})\n", variable) for variable in asked[t]]
        for question, variable in said:
            text += question + "# "
            answer = str(values[t, variable])
            answers.append((len(text), len(text) + len(answer)))
            text += answer + "\n"
    return Transcript(text, answers)
