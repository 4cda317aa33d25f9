"""A text that is read token by token: what each token completes, as data/readings.py says it of the whole text."""

from __future__ import annotations

import codecs
from typing import NamedTuple

import numpy as np

from sfm_ms.data.readings import statement_graph
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.tasks.code_graph import GrowingCodeGraph
from sfm_ms.tasks.statements import StatementScanner, closing


class Statement(NamedTuple):
    """One that has become complete."""

    number: int  # of the text's, from 0
    kind: int
    edges: np.ndarray  # (E, 3) int32, from earlier statements to it, the nearest first


class GrowingReading:
    """`append` takes the next token and returns the statement that it completes, or None.

    The code so far is parsed with what closes its open blocks (tasks/statements.py), which is taken away again.
    """

    def __init__(self, tokenizer: TextTokenizer, edges_per_statement: int):
        self.bytes_of, self.edges_per_statement = tokenizer.bytes_of_tokens(), edges_per_statement
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.scanner, self.graph = StatementScanner(), GrowingCodeGraph()
        self.new, self.num_statements = "", 0  # text since the last statement's end

    @property
    def text(self) -> str:
        return self.graph.source + self.new

    def append(self, token: int) -> Statement | None:
        text = self.decoder.decode(self.bytes_of[token])
        self.new += text
        if not self.scanner.feed(text):
            return None
        self.num_statements += 1
        complete = self.text
        self.graph.append(self.new + closing(complete[self.graph.last.start :]))
        kinds, edges = statement_graph(self.graph.graph(), self.graph.source, self.num_statements, self.edges_per_statement)
        self.graph.shorten(len(complete))
        self.new = ""
        number = self.num_statements - 1
        return Statement(number, int(kinds[number]), edges[edges[:, 1] == number])
