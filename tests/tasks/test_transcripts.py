"""Transcripts: their answers are what Python prints, and each is a function of its number alone."""

from __future__ import annotations

import numpy as np
import pytest

from sfm_ms.tasks.interpreter import evaluate
from sfm_ms.tasks.transcripts import transcripts


def drawn(indices, question_share=0.4, modulus=10):
    return transcripts(modulus, 3, 5, 0, np.array(indices), 4, 9, question_share)


@pytest.mark.parametrize("modulus", [2, 10, 101])
def test_answers_are_what_python_prints(modulus):
    for text, answers in drawn(range(40), modulus=modulus):
        assert answers and answers[-1][1] == len(text) - 1
        for first, last in answers:
            assert text[first - 2 : first] == "# " and text[last] == "\n"
            *before, question = text[: first - 3].splitlines()
            before = "\n".join(line for line in before if not line.startswith("print"))
            assert evaluate(before, question.removeprefix("print(").removesuffix(")")) == int(text[first:last])
        assert sum(line.startswith("#") for line in text.splitlines()) == len(answers)


def test_a_transcript_is_a_function_of_its_number():
    assert drawn(range(7, 10)) == drawn(range(20))[7:10]
    assert drawn([3], question_share=0)[0].text.count("print") == 1
    assert drawn([3], question_share=1)[0].text.count("print") == drawn([3])[0].text.count(" = ") - 3


def test_lengths_and_chances():
    texts = drawn(range(300))
    operations = [text.count(" = ") - 3 for text, _ in texts]
    assert min(operations) == 4 and max(operations) == 9
    shares = [(len(answers) - 1) / (number - 1) for (_, answers), number in zip(texts, operations, strict=True)]
    assert abs(np.mean(shares) - 0.4) < 0.05
