"""What a trained Thinker makes of programs that are not samples: of one of the user's, or of CRUXEval's.

Shapes: T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mindspore import Tensor

from sfm_ms.evaluate.thinker import reader_of
from sfm_ms.tasks import code_execution
from sfm_ms.tasks.cruxeval import Problem
from sfm_ms.tasks.scoring import parts
from sfm_ms.tasks.special_tokens import marker
from sfm_ms.train.run_folder import RunError, RunFolder
from sfm_ms.train.thinker_reader import TEXT, ThinkerReader

JUDGEMENTS = (marker("judge_correct"), marker("judge_wrong"))


class Told(NamedTuple):
    text: str  # what follows the prompt, up to and with a judgement where it comes to one
    trust: float  # the chance, as the judge sees it, that what is told is right

    def __str__(self) -> str:
        note = "" if self.text.endswith(JUDGEMENTS) else ", but it comes to no judgement of its own"
        return f"{self.text}\njudge: {self.trust:.1%} that this is right{note}"


class Solved(NamedTuple):
    """How many problems there are, were answered rightly, and had no place in the window of so many tokens."""

    num_problems: int
    num_right: int
    num_too_long: int
    window: int

    def __str__(self) -> str:
        share = self.num_right / self.num_problems
        right = f"CRUXEval: {share:.1%} answered rightly, {self.num_right} of {self.num_problems} problems"
        return f"{right}; {self.num_too_long} do not fit the window of {self.window} tokens and count as wrong"


def tell(run: RunFolder, program: str) -> Told:
    """What the run's model tells of the program, the most likely token each time.

    Raises CheckpointError, or RunError where the program does not fit the window or has a special token in it.
    """
    reader, _ = reader_of(run, batch_size=1)
    encode = reader.tokenizer.encode
    if not np.array_equal(encode(program), encode(program, has_markers=True)):
        raise RunError(f"the program: expected no special token such as {marker('code')} in it, which is what {run.path} writes")
    prompt = code_execution.prompt(program.rstrip())
    given_T = encode(prompt, has_markers=True)
    if len(given_T) >= reader.window:
        limit = f"expected less than {reader.window} tokens, the window of {run.path}"
        raise RunError(f"the program: {limit}, got {len(given_T)}")
    (text,) = reader.told([given_T])
    text = text.removeprefix(prompt)
    unjudged = text.removesuffix(JUDGEMENTS[0]).removesuffix(JUDGEMENTS[1])
    return Told(text, trust(reader, np.concatenate([given_T, encode(unjudged, has_markers=True)]), len(given_T)))


def trust(reader: ThinkerReader, tokens_T: np.ndarray, num_given: int) -> float:
    """The judge's chance that what is told is right. tokens_T: a prompt of `num_given` tokens, and at least one that is told
    after it; no judgement.

    What is beyond the window, as a broken telling may be where its text has other tokens than it was told in, is not looked at.
    """
    tokens_T = tokens_T[: reader.window]
    row_1T, segments_1T, targets_1T = np.zeros((3, 1, reader.window), np.int32)
    row_1T[0, : len(tokens_T)], segments_1T[0, : len(tokens_T)] = tokens_T, TEXT
    targets_1T[0, : len(tokens_T) - 1] = tokens_T[1:]
    places = (np.array([[place - 1]], np.int32) for place in (num_given, len(tokens_T)))
    logit_11 = reader.verdict(*map(Tensor, (row_1T, segments_1T, targets_1T, *places)))
    return float(1 / (1 + np.exp(-logit_11.asnumpy()[0, 0].astype(np.float64))))


def solve(run: RunFolder, problems: Sequence[Problem]) -> Solved:
    """The run's model on CRUXEval's problems, one or more. Raises RunError or CheckpointError."""
    reader, _ = reader_of(run)
    prompts = [reader.tokenizer.encode(problem.prompt, has_markers=True) for problem in problems]
    fitting = [i for i, prompt in enumerate(prompts) if len(prompt) < reader.window]
    answers = [parts(text).get("answer") for text in reader.told([prompts[i] for i in fitting])]
    # No answer is not the empty one, which is right where a call returns "".
    is_right = [answer is not None and problems[i].is_right(answer) for i, answer in zip(fitting, answers, strict=True)]
    return Solved(len(problems), sum(is_right), len(problems) - len(fitting), reader.window)
