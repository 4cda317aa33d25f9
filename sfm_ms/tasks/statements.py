"""Where the logical lines of Python source end and where its comments are, found while the text comes in pieces.

A logical line is what Python's tokenizer ends with NEWLINE: a simple statement, several with `;` between, or the head of a
compound statement. It may go over several lines: in brackets, in strings, or after a backslash. Lines end with "\\n" or "\\r\\n".
Text that is not Python has logical lines too: a string that its line does not close ends there, and a bracket too many that
closes nothing is passed over.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

# Repetitions are possessive (`*+`): they never give back, so that scanning takes linear time. What a cut leaves open, such as
# two quotes that may be an empty string or the first of three, does not match and waits for the next piece.
LONG = r"{q}{{3}}(?:[^{q}\\]++|\\.|{q}{{1,2}}+(?!{q}|\Z))*+"
SHORT = r"{q}(?!{q}(?:{q}|\Z))(?:[^{q}\\\n]++|\\(?:\r\n|\r(?!\Z)|[^\r]))*+"
STRINGS = "|".join(f"{LONG}{{q}}{{{{3}}}}|{SHORT}(?:{{q}}|(?=\\n))".format(q=quote) for quote in "'\"")
JOINED = r"\\\r?\n"
FLAT = r"[(\[{][^()\[\]{}'\"#\\]*+[)\]}]"  # brackets without anything in them that needs a look
PIECE = re.compile(
    rf"(?:[ \t\f\r]++|{JOINED})*+"
    rf"(?P<code>(?:[^\n#'\"()\[\]{{}}\\]++|{FLAT}|{STRINGS}|{JOINED}|\\(?!\r?(?:\n|\Z)))*+)"
    r"(?:(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<line>(?:#[^\n]*+)?\n)|(?P<rest>.*))",
    re.DOTALL,
)
OPENED = {quote * n: re.compile(form.format(q=quote), re.DOTALL) for quote in "'\"" for n, form in ((1, SHORT), (3, LONG))}
BLANK = re.compile(r"(?:[ \t\f\r]*+(?:#[^\n]*+)?\n)*+[ \t\f]*+")  # lines without a statement, and an indentation
NOT_CODE = re.compile(rf"({STRINGS})|#[^\n]*+", re.DOTALL)


class Scan(NamedTuple):
    """Characters, counted from the beginning of all text."""

    ends: list[int]  # just after the newlines that end logical lines
    comments: list[tuple[int, int]]  # of each the first, and one past the last


class StatementScanner:
    """Reads text piece by piece, cut anywhere; in all it takes time in proportion to the text."""

    def __init__(self):
        self.num_characters = 0
        self.depth = 0  # of brackets
        self.has_code = False  # the logical line holds something
        self.rest = ""  # stands for what is not finished: a comment, a string, a backslash

    def feed(self, text: str) -> Scan:
        """What is in this piece.

        Lines that are blank or hold only a comment do not count. A last line without a newline has not ended.
        """
        first, start = self.num_characters, self.num_characters - len(self.rest)
        self.num_characters += len(text)
        ends, comments = [], []
        for match in PIECE.finditer(self.rest + text):
            what = match.lastgroup
            if match[what].startswith("#"):
                comment = max(first, start + match.start(what)), start + match.end() - (what == "line")
                if comment[0] < comment[1]:  # the newline after it may be all that is new
                    comments.append(comment)
            if match["code"] or what == "open" or what == "close":
                self.has_code = True
            if what == "line":
                if self.has_code and not self.depth:
                    ends.append(start + match.end())
                    self.has_code = False
            elif what == "open":
                self.depth += 1
            elif what == "close":
                self.depth = max(self.depth - 1, 0)
            else:
                self.rest = shortened(match["rest"])
                break
        return Scan(ends, comments)


def shortened(rest: str) -> str:
    """A few characters that go on like an unfinished comment, string or backslash: its beginning and what its end leaves open."""
    if len(rest) <= 8:
        return rest
    if rest[0] == "#":
        return "#"
    quote = rest[0] if rest[1] != rest[0] else rest[:3]
    filling = "_" if len(quote) == 1 else ""  # so that a quote that comes next is not taken for the second of three
    return quote + filling + rest[OPENED[quote].match(rest).end() :]


def statement_ends(source: str) -> np.ndarray:
    """(S,) int32: characters of the source just after each logical line that has ended."""
    return np.array(StatementScanner().feed(source).ends, np.int32)


class Block(NamedTuple):
    """The last line at some indentation, so far."""

    indentation: str
    is_open: bool  # a `try` that needs an `except` or a `finally`

    @property
    def width(self) -> int:
        return len(self.indentation.expandtabs())


def closing(source: str) -> str:
    """What makes a source that ends with a logical line complete for a parser: the body of a head, the function of a decorator,
    `finally` of a `try`. The source's own lines mean what they meant."""
    blocks: list[Block] = []
    line, start = "", 0
    for end in statement_ends(source):
        begin = BLANK.match(source, start, end).end()
        line, start = source[begin:end], end
        indentation = source[source.rfind("\n", 0, begin) + 1 : begin].rpartition("\f")[2]
        block = Block(indentation, re.match(r"try\s*:", line) is not None)
        while blocks and blocks[-1].width > block.width:
            blocks.pop()
        if blocks and blocks[-1].width == block.width:
            last = blocks.pop()
            block = last if re.match(r"(?:else|elif)\b", line) else block
        blocks.append(block)
    added = [body_of(line, blocks[-1].indentation)] if blocks else []
    added.extend(f"{block.indentation}finally: pass\n" for block in reversed(blocks) if block.is_open)
    return "".join(added)


def body_of(line: str, indentation: str) -> str:
    """What a logical line at the end of a source lacks below it."""
    if line.startswith("@"):
        return f"{indentation}def _(): pass\n"
    if not NOT_CODE.sub(r"\1", line).rstrip().endswith(":"):
        return ""
    return f"{indentation} case _: pass\n" if re.match(r"match\b", line) else f"{indentation} pass\n"
