"""Operands of statements, told token by token: by hand, with words in several tokens, and against Python's tokenizer."""

from __future__ import annotations

import io
import keyword
import tokenize

import numpy as np
import pytest

from sfm_ms.data.operands import NO_OPERAND, NUM_OPERANDS, OUTSIDE, VALUES, OperandCounter, spelling
from sfm_ms.data.readings import read_text
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.tasks.python_code import source_files

STATEMENTS = [  # tokens, which operand each is
    (["total", " =", " width", " *", " ", "1", "2", "\n"], [1, 0, 2, 0, 0, 3, 3, 0]),
    (["if", " c", " >", " None", ":", " c", " =", " a", "\n"], [0, 1, 0, 2, 0, 3, 0, 4, 0]),
    (["pr", "int", "(", "my", "_", "name", "2", ")", "\n"], [1, 1, 0, 2, 2, 2, 2, 0, 0]),
    (["if", "x", " =", " for", "\n"], [0, 0, 0, 0, 0]),  # a keyword that a word begins with is not told from one
    ([*" a b c d e f g".replace(" ", ". ").split("."), "x", " h"], [0, 1, 2, 3, 4, 5, 6, 0, 0, 0]),
    (["\xe9", " \xe9", "-", "\n"], [1, 2, 0, 0]),
]


@pytest.mark.parametrize(("tokens", "expected"), STATEMENTS)
def test_by_hand(tokens, expected):
    counter = OperandCounter([spelling(token.encode()) for token in tokens])
    last = len(tokens) - 1
    for _ in range(2):  # what ends a statement begins the count anew
        assert [counter.feed(number, True, number == last) for number in range(last + 1)] == expected
    assert counter.feed(0, False, False) == OUTSIDE


@pytest.fixture(scope="module")
def tokenizer():
    return TextTokenizer.train((file.text for file in source_files(split="valid", held_out=0.01)), 400)


def test_words_are_those_of_pythons_tokenizer(tokenizer):
    num_compared = 0
    for file in source_files(split="valid", held_out=0.01)[:12]:
        reading = read_text(file.text, tokenizer, 4)
        words = [words_of(line, tokenizer) for line in logical_lines(file.text)]
        ends = np.flatnonzero(reading.is_end)
        for first, last, expected in zip([0, *ends[:-1]], ends, words, strict=False):
            if expected is None:
                continue
            of_statement = slice(first + 1, last + 1)
            tokens, operand = reading.tokens[of_statement], reading.operand[of_statement]
            found = [tokenizer.decode(tokens[operand == number]).strip() for number in range(1, operand.max() + 1)]
            assert found == expected[:NUM_OPERANDS], (file.path, expected)
            num_compared += 1
    assert num_compared > 300


def logical_lines(text):
    """Of Python's tokens those of each, without comments."""
    line = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            yield line
            line = []
        elif token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
            line.append(token)


def words_of(line, tokenizer):
    """Names and whole numbers; None where strings or other numbers hold words too, or a keyword is not a token of its own."""
    if any(t.type == tokenize.STRING or (t.type == tokenize.NUMBER and not t.string.isdecimal()) for t in line):
        return None
    if any(t.string.startswith(tuple(keyword.kwlist)) != is_keyword(t.string, tokenizer) for t in line):
        return None
    words = [t.string for t in line if t.type in (tokenize.NAME, tokenize.NUMBER)]
    return [word for word in words if word in VALUES or not keyword.iskeyword(word)]


def is_keyword(word, tokenizer):
    return keyword.iskeyword(word) and all(len(tokenizer.encode(spelled)) == 1 for spelled in (word, f" {word}"))


def test_what_is_no_operand():
    assert (OUTSIDE, NO_OPERAND) == (-1, 0)
    assert all(spelling(word.encode())[0] == 1 for word in (" if", "return")) and spelling(b" True")[0] == 2
    assert spelling(b"\xc3") == spelling(b"") == spelling(b"  ") == (0, True)
