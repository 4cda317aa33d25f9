"""A text that is read token by token: what each token completes, as data/readings.py says it of the whole text."""

from __future__ import annotations

import codecs
from typing import NamedTuple

import numpy as np

from sfm_ms.data.last_uses import LastUses
from sfm_ms.data.operands import OUTSIDE, OperandCounter
from sfm_ms.data.readings import statement_graph
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.tasks.code_graph import GrowingCodeGraph
from sfm_ms.tasks.statements import StatementScanner, closing


class Statement(NamedTuple):
    """One that has become complete."""

    number: int  # of the text's, from 0
    kind: int
    edges: np.ndarray  # (E, 3) int32, from earlier statements to it, the nearest first


class ReadToken(NamedTuple):
    number: int  # in the vocabulary
    operand: int  # of its statement, as data/operands.py has it
    recalled: tuple[int, ...]  # tokens, as data/last_uses.py has them
    completes: Statement | None


class GrowingReading:
    """`append` takes the next token and says what it is; `start` is the one before the text, the end of another.

    The code so far is parsed with what closes its open blocks (tasks/statements.py), which is taken away again.
    """

    def __init__(self, tokenizer: TextTokenizer, edges_per_statement: int):
        self.bytes_of, self.edges_per_statement = tokenizer.bytes_of_tokens(), edges_per_statement
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.scanner, self.graph, self.operands = StatementScanner(), GrowingCodeGraph(), OperandCounter(tokenizer.spellings)
        self.last_uses = LastUses()
        self.start = ReadToken(tokenizer.end, OUTSIDE, self.last_uses.feed(tokenizer.end), completes=None)
        self.new, self.num_statements = "", 0  # text since the last statement's end
        self.in_comment = False  # is the last character

    @property
    def text(self) -> str:
        return self.graph.source + self.new

    def append(self, token: int) -> ReadToken:
        text = self.decoder.decode(self.bytes_of[token])
        self.new += text
        ends, comments = self.scanner.feed(text)
        if text:  # a token may be a part of a character
            self.in_comment = bool(comments) and comments[-1][1] == self.scanner.num_characters
        operand = self.operands.feed(token, not self.in_comment, bool(ends))
        return ReadToken(token, operand, self.last_uses.feed(token), self.complete() if ends else None)

    def complete(self) -> Statement:
        """The one that ends with the text so far."""
        self.num_statements += 1
        complete = self.text
        self.graph.append(self.new + closing(complete[self.graph.last.start :]))
        kinds, edges = statement_graph(self.graph.graph(), self.graph.source, self.num_statements, self.edges_per_statement)
        self.graph.shorten(len(complete))
        self.new = ""
        number = self.num_statements - 1
        return Statement(number, int(kinds[number]), edges[edges[:, 1] == number])
