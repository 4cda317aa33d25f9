"""Texts as models read them: tokens, where statements are complete, and edges between statements; and pieces of such texts.

What is said of a token depends on the text up to it only. A statement of the graph is a logical line: the nodes of the code graph
that become complete with it (tasks/code_graph.py) are one. Edges lead from the earlier statement to the later one, which is why
their kinds are twice as many: those of the code graph, and the same turned around.

Shapes: L tokens of a text, M statements, E edges; T tokens of a piece, S its statements.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sfm_ms.data.last_uses import LastUses
from sfm_ms.data.operands import OUTSIDE, OperandCounter
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.tasks.code_graph import CodeGraph, code_graph
from sfm_ms.tasks.code_reader import EDGE_KINDS, NODE_KINDS
from sfm_ms.tasks.statements import StatementScanner

NUM_EDGE_KINDS = 2 * len(EDGE_KINDS)
NUM_STATEMENT_KINDS = 1 + len(NODE_KINDS)  # 0: a statement of code that could not be parsed


class Reading(NamedTuple):
    """A text of L - 1 tokens between the end of the text before it and its own."""

    tokens: np.ndarray  # (L + 1,) int32: all that are read, and one more that is to be foretold
    operand: np.ndarray  # (L,) int32: of its statement, that this token is part of, as data/operands.py has it
    recalled: np.ndarray  # (L, NUM_RECALLED) int32: tokens, as data/last_uses.py has them
    is_end: np.ndarray  # (L,) bool: this token completes a statement
    kinds: np.ndarray  # (M,) int32: of statements, from 1
    edges: np.ndarray  # (E, 3) int32: earlier statement, later statement, kind; sorted by the later one
    is_answer: np.ndarray  # (L,) bool: the next token is part of what a program prints


def read_text(text: str, tokenizer: TextTokenizer, edges_per_statement: int, answers=()) -> Reading:
    """answers: pairs of characters, as in tasks/transcripts.py. Of the edges to a statement the nearest ones are kept."""
    tokens, offsets = tokenizer.encode_with_offsets(text)
    ends, comments = StatementScanner().feed(text)
    is_end = np.zeros(len(tokens) + 1, bool)
    is_end[1 + np.searchsorted(offsets, ends)] = True
    fed = zip(tokens.tolist(), (~is_within(offsets, comments)).tolist(), is_end[1:].tolist(), strict=True)
    operand = np.array([OUTSIDE, *itertools.starmap(OperandCounter(tokenizer.spellings).feed, fed)], np.int32)
    is_answer = np.zeros(len(tokens) + 1, bool)
    for first, last in answers:
        is_answer[np.searchsorted(offsets, first, "right") : 1 + np.searchsorted(offsets, last)] = True
    kinds, edges = statement_graph(code_graph(text), text, len(ends), edges_per_statement)
    framed = np.concatenate(([tokenizer.end], tokens, [tokenizer.end])).astype(np.int32)
    recalled = np.array([*map(LastUses().feed, framed[:-1].tolist())], np.int32)
    return Reading(framed, operand, recalled, is_end, kinds, edges, is_answer)


def is_within(offsets: np.ndarray, spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """Of each token: is its last character within one of the spans?"""
    firsts, lasts = np.array(spans, int).reshape(-1, 2).T
    return np.searchsorted(firsts, offsets) > np.searchsorted(lasts, offsets)


def statement_graph(
    graph: CodeGraph, source: str, num_statements: int, edges_per_statement: int
) -> tuple[np.ndarray, np.ndarray]:
    """kinds (M,) of statements and edges (E, 3) between them: the code graph's nodes and known edges, by logical lines."""
    line = graph.lines(source)
    kinds = np.zeros(num_statements, np.int32)
    complete = np.flatnonzero((line >= 0) & (line < num_statements))[::-1]  # the first node of a statement says its kind
    kinds[line[complete]] = 1 + graph.kinds[complete]
    a, b = line[graph.known[:, 0]], line[graph.known[:, 1]]
    kind = np.where(a < b, graph.known[:, 2], graph.known[:, 2] + len(EDGE_KINDS))
    earlier, later = np.minimum(a, b), np.maximum(a, b)
    between = (earlier >= 0) & (earlier < later) & (later < num_statements)
    edges = np.unique(np.stack((earlier, later, kind), 1)[between], axis=0)
    edges = edges[np.lexsort((edges[:, 2], -edges[:, 0], edges[:, 1]))]  # to each statement, the nearest first
    rank = np.arange(len(edges)) - np.searchsorted(edges[:, 1], edges[:, 1])
    return kinds, edges[rank < edges_per_statement].astype(np.int32)


class Piece(NamedTuple):
    """Part of a text: its tokens from `first`, and its statements from `first_statement`."""

    first: int
    num_tokens: int
    first_statement: int
    num_statements: int


def pieces(reading: Reading, num_tokens: int, num_statements: int) -> list[Piece]:
    """The text cut into pieces of at most so many tokens that complete at most so many statements."""
    ends = np.flatnonzero(reading.is_end)
    found, first, statement = [], 0, 0
    while first < len(reading.is_end):
        last = min(first + num_tokens, len(reading.is_end))
        if statement + num_statements < len(ends):  # the token after the last statement that fits
            last = min(last, ends[statement + num_statements - 1] + 1)
        next_statement = int(np.searchsorted(ends, last))
        found.append(Piece(first, last - first, statement, next_statement - statement))
        first, statement = last, next_statement
    return found
