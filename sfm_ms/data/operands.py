"""Which operand of its statement a token is part of: names and numbers, in the order in which they stand.

    total = width * 12        total: 1, width: 2, 12: 3; = and *: none of them

It is told token by token from what has been read so far, as everything that is said of a token.
"""

from __future__ import annotations

import keyword
from enum import IntEnum

NUM_OPERANDS = 6  # of a statement that are told apart; what stands after them is none of them
OUTSIDE, NO_OPERAND = -1, 0  # in no statement; keywords, operators, punctuation, white space

VALUES = ("True", "False", "None")  # keywords that are constants


class Spelling(IntEnum):
    """What a token is, but for a space before it."""

    OTHER = 0
    KEYWORD = 1
    WORD = 2  # a name or a number, or a part of one


def spelling(token: bytes) -> tuple[Spelling, bool]:
    """What a token is, and whether it begins a word even right after another."""
    text = token.decode("utf-8", "replace")
    word = text.removeprefix(" ")
    if not (word.isidentifier() or word.isdecimal()):
        return Spelling.OTHER, True
    return Spelling.KEYWORD if keyword.iskeyword(word) and word not in VALUES else Spelling.WORD, word != text


class OperandCounter:
    """`feed` takes the next token; `spellings` are those of the vocabulary's tokens."""

    def __init__(self, spellings: list[tuple[Spelling, bool]]):
        self.spellings = spellings
        self.num_operands = 0  # of this statement, so far
        self.word = None  # the operand that the word before is; None: it was no word

    def feed(self, token: int, in_statement: bool, is_end: bool) -> int:
        """The number of the token's operand, from 1, or NO_OPERAND, or OUTSIDE."""
        kind, begins = self.spellings[token]
        if not in_statement or kind == Spelling.OTHER:
            self.word = None
        elif begins or self.word is None:
            self.word = NO_OPERAND if kind == Spelling.KEYWORD else self.next_operand()
        operand = self.word or NO_OPERAND
        if is_end:
            self.num_operands, self.word = 0, None
        return operand if in_statement else OUTSIDE

    def next_operand(self) -> int:
        self.num_operands += 1
        return self.num_operands if self.num_operands <= NUM_OPERANDS else NO_OPERAND
