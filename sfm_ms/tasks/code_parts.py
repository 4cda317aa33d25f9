"""Python source cut into the statements of the file, past what cannot be parsed."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from io import StringIO
from itertools import accumulate
from typing import NamedTuple

# A line on which a statement of the file may begin.
BEGINNING = re.compile(r"(?!(?:else|elif|except|finally|case)\b)[^\s#)\]}]")


class Offsets:
    """Characters of the source from `ast`'s lines and columns, which count bytes."""

    def __init__(self, text: str, start: int):
        self.lines = list(StringIO(text, newline="")) or [""]  # `splitlines` also cuts at form feeds, Python does not
        self.starts = list(accumulate(map(len, self.lines), initial=start))
        self.is_ascii = text.isascii()

    def __call__(self, line: int, column: int) -> int:
        if not self.is_ascii:
            column = len(self.lines[line - 1].encode()[:column].decode(errors="ignore"))
        return self.starts[line - 1] + column


class Part(NamedTuple):
    """A statement of the file, or what could not be parsed: `error`."""

    start: int  # characters of the source
    line: int  # of the source, from 1
    offsets: Offsets
    statement: ast.stmt | None
    error: SyntaxError | None


def top_level(source: str, start: int) -> Iterator[Part]:
    """The parts of source[start:], which begins with a statement of the file."""
    line = source.count("\n", 0, start)
    while start < len(source):
        text = source[start:]
        offsets = Offsets(text, start)
        statements, error, first, end = readable(text, offsets)
        for statement in statements:
            yield Part(beginning(statement, offsets), line + statement.lineno, offsets, statement, None)
        if error is not None:
            yield Part(start + first, line + (error.lineno or 1), offsets, None, error)
        line += text.count("\n", 0, end)
        start += end


def readable(text: str, offsets: Offsets) -> tuple[list[ast.stmt], SyntaxError | None, int, int]:
    """Statements up to the first that cannot be parsed, why it cannot, and the characters where it begins and ends."""
    first = end = len(text)
    statements, error = parsed(text)
    fault = error
    beginnings = [number for number, line in enumerate(offsets.lines) if BEGINNING.match(line)] if error is not None else []
    while error is not None:
        # What parsing stumbles over may stand after what is wrong, such as an open bracket: the text before it shows.
        before = [number for number in beginnings if number < error.lineno and offsets.starts[number] - offsets.starts[0] < first]
        last = before[-1] if before else 0
        after = [number for number in beginnings if number > last]
        first = offsets.starts[last] - offsets.starts[0] if before else 0
        end = offsets.starts[after[0] if after else len(offsets.lines)] - offsets.starts[0]
        statements, error = parsed(text[:first])
        fault = error or fault
    return statements, fault, first, end


def parsed(text: str) -> tuple[list[ast.stmt], SyntaxError | None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text).body, None
    except SyntaxError as error:
        error.msg = re.sub(r"( on| \(detected at) line \d+\)?", "", error.msg)  # which counts from where parsing began
        error.lineno = error.lineno or 1
        return [], error
    except (ValueError, RecursionError, MemoryError) as error:
        return [], SyntaxError(str(error) or "nested too deeply", (None, 1, 0, ""))


def beginning(statement: ast.stmt, offsets: Offsets) -> int:
    """With decorators, and their @."""
    decorators = getattr(statement, "decorator_list", None)
    return offsets(decorators[0].lineno if decorators else statement.lineno, statement.col_offset)
