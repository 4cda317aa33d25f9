"""Programs over a few variables as Python code that prints values on its way, with what it prints as comments:

    a = 3
    b = 7
    a = (a + b) % 10
    print(b)
    # 7

The programs are those of tasks/state_tracking.py, family `chained`, as Python runs them; the answers are what it prints. After
each operation a value is printed with a chance of `question_share`, and one always is at the end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sfm_ms.tasks.state_tracking import UPDATE, Language, Programs, generate, run

_QUESTIONS = 2**31  # added to the stream of the programs: of the random numbers that say what is printed


class Transcript(NamedTuple):
    text: str
    answers: list[tuple[int, int]]  # characters of what is printed: the first, and one past the last


def transcripts(
    modulus: int,
    num_variables: int,
    seed: int,
    stream: int,
    indices: np.ndarray,
    min_operations: int,
    max_operations: int,
    question_share: float,
) -> list[Transcript]:
    """Transcripts `indices` of a stream; number i is a pure function of (seed, stream, i) and of the distribution."""
    language = Language("chained", num_variables, modulus)
    programs = generate(language, seed, stream, indices, min_operations, max_operations)
    values = run(programs)[0]
    texts = []
    for row, index in enumerate(indices):
        generator = np.random.Generator(np.random.Philox(key=[seed, _QUESTIONS + stream], counter=[0, 0, 0, int(index)]))
        num_statements = programs.lengths[row]
        is_asked = generator.random(num_statements) < question_share
        is_asked[:num_variables], is_asked[-1] = False, True
        asked = np.where(is_asked, generator.integers(num_variables, size=num_statements), -1)
        asked[-1] = programs.queried[row]
        texts.append(_transcript(programs[row : row + 1], asked, values[row]))
    return texts


def _transcript(program: Programs, asked: np.ndarray, values: np.ndarray) -> Transcript:
    """asked: (T,) the variable that is printed after each statement, or -1; values: (T, V)."""
    language, text, answers = program.language, "", []
    for t, line in enumerate(program.lines(0)):
        if program.kind[0, t] == UPDATE:
            target, expression = line.split(" = ")
            line = f"{target} = ({expression}) % {language.modulus}"
        text += line + "\n"
        if asked[t] >= 0:
            text += f"print({language.variables[asked[t]]})\n# "
            answer = str(values[t, asked[t]])
            answers.append((len(text), len(text) + len(answer)))
            text += answer + "\n"
    return Transcript(text, answers)
