"""Transcripts: their answers are what Python prints, and each is a function of its number alone."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sfm_ms.tasks.interpreter import evaluate
from sfm_ms.tasks.state_tracking import Language
from sfm_ms.tasks.transcripts import Chances, transcripts

SOME = Chances(annotated=0.6, question=0.4)


def drawn(indices, chances=SOME, modulus=10):
    return transcripts(Language("chained", 3, modulus), 5, 0, np.array(indices), 4, 9, chances)


@pytest.mark.parametrize("chances", [None, SOME])
@pytest.mark.parametrize("modulus", [2, 10, 101])
def test_answers_are_what_python_assigns_and_prints(modulus, chances):
    for text, answers in drawn(range(40), chances, modulus):
        assert answers and answers[-1][1] == len(text) - 1
        for first, last in answers:
            assert text[first - 2 : first] == "# " and text[last] == "\n"
            *before, statement = text[: first - 3].splitlines()
            program = "\n".join(line for line in (*before, statement) if not line.startswith("print"))
            name = re.search(r"print\((\w)\)|(\w)(, \w)? = ", statement)
            assert evaluate(program, name[1] or name[2]) == int(text[first:last])
        assert sum(line.startswith("#") for line in text.splitlines()) == len(answers)


def test_a_transcript_is_a_function_of_its_number():
    assert drawn(range(7, 10)) == drawn(range(20))[7:10]
    assert operations(drawn([3])[0].text) == operations(drawn([3], None)[0].text)


def operations(text):
    return [line for line in text.splitlines() if " = " in line]


def test_a_bare_program_prints_once_and_one_for_training_the_same_at_its_end():
    for (bare, answers), (text, _) in zip(drawn(range(20), None), drawn(range(20)), strict=True):
        assert bare.count("#") == bare.count("print") == len(answers) == 1
        assert bare.splitlines()[-2:] == text.splitlines()[-2:]


def test_lengths_and_chances():
    texts = drawn(range(400))
    num_operations = np.array([len(operations(text)) - 3 for text, _ in texts])
    assert min(num_operations) == 4 and max(num_operations) == 9
    num_printed = np.array([text.count("print") for text, _ in texts])
    assert abs(np.mean((num_printed - 1) / (num_operations - 1)) - 0.4) < 0.05
    num_comments = np.array([len(answers) for _, answers in texts]) - num_printed
    assert set(num_comments / (3 + num_operations)) == {0, 1} and abs(np.mean(num_comments > 0) - 0.6) < 0.05
