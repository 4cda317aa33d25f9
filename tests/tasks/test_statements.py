"""Ends of logical lines and comments: against Python's own tokenizer on its standard library, cut anywhere, and by hand."""

from __future__ import annotations

import ast
import io
import random
import time
import tokenize
from itertools import accumulate, pairwise

import pytest
from library import LIBRARY, sources

from sfm_ms.tasks.statements import Scan, StatementScanner, closing, statement_ends


def tokenized(source):
    """Python's NEWLINE tokens that stand for a newline in the text, and its comments; None: it finds no tokens."""
    lines = list(io.StringIO(source))
    starts = list(accumulate(map(len, lines), initial=0))
    try:
        tokens = list(tokenize.generate_tokens(iter([*lines, ""]).__next__))
    except (tokenize.TokenError, SyntaxError):
        return None
    ends = [starts[t.end[0] - 1] + t.end[1] for t in tokens if t.type == tokenize.NEWLINE and t.string]
    comments = [t for t in tokens if t.type == tokenize.COMMENT]
    return Scan(ends, [tuple(starts[line - 1] + column for line, column in (t.start, t.end)) for t in comments])


@pytest.mark.parametrize(
    "paths", [pytest.param(LIBRARY[::20], id="some"), pytest.param(LIBRARY, marks=pytest.mark.slow, id="all")]
)
def test_the_standard_library_as_the_tokenizer_has_it(paths):
    num_compared = num_characters = 0
    spent = 0.0
    for source in sources(paths):
        started = time.process_time()
        found = StatementScanner().feed(source)
        spent += time.process_time() - started
        num_characters += len(source)
        expected = tokenized(source)
        assert expected is None or found == expected
        num_compared += expected is not None
    print(f"{num_compared} files, {num_characters / spent / 1e6:.1f} million characters a second")
    assert num_compared > len(paths) / 2 and num_characters / spent > 3e6


LINES = [  # source, the logical lines without white space around them
    ("a = 1\nb = 2\n", ["a = 1", "b = 2"]),
    ("a = 1; b = 2\nc", ["a = 1; b = 2"]),
    ("\n# no\n  \t\n a # yes\n", ["# no\n  \t\n a # yes"]),
    ("f(\n1,\n\n# no )\n)\nb\n", ["f(\n1,\n\n# no )\n)", "b"]),
    ("[{(\n)\n}\n]\nb\n", ["[{(\n)\n}\n]", "b"]),
    ("a = \\\n 1\nb\n", ["a = \\\n 1", "b"]),
    ("a = \\\r\n 1\r\nb\r\n", ["a = \\\r\n 1", "b"]),
    ("if a:\n  pass\nelse: b\n", ["if a:", "pass", "else: b"]),
    ("'#('\n\"')\"\nb\n", ["'#('", '"\')"', "b"]),
    ("'''\n'\\'''\n''''a'\nb\n", ["'''\n'\\'''\n''''a'", "b"]),
    ('""\n"""""" ""\nr"\\"\nb"\n', ['""', '"""""" ""', 'r"\\"', 'b"']),
    ("f'{a}' rb'''\n''' 'a\\\nb'\nc\n", ["f'{a}' rb'''\n''' 'a\\\nb'", "c"]),
    ("a = 'b\nc = [')\nd\n]\n", ["a = 'b", "c = [')\nd\n]"]),  # broken
    (")\n}(\n]\nb\n", [")", "}(\n]", "b"]),  # broken
    ("a \\ b\nc\n", ["a \\ b", "c"]),  # broken
    ("'''\na\n", []),
    ("\\\n\n", []),
    ("a = '\x0c\u2028'\n\x0cb\n", ["a = '\x0c\u2028'", "b"]),
    ("", []),
]


@pytest.mark.parametrize(("source", "expected"), LINES)
def test_by_hand(source, expected):
    ends = [0, *statement_ends(source).tolist()]
    assert [source[a:b].strip() for a, b in pairwise(ends)] == expected
    assert pieces(source, range(1, len(source))).ends == ends[1:]
    for cut in range(len(source)):
        assert pieces(source, [cut]).ends == ends[1:]


def pieces(source, cuts):
    """What is found in all of them; comments that were cut are put together again."""
    scanner, ends, comments, places = StatementScanner(), [], [], [0, *cuts, len(source)]
    for a, b in pairwise(places):
        found = scanner.feed(source[a:b])
        assert all(a < end <= b for end in found.ends)
        assert all(a <= first < last <= b for first, last in found.comments)
        assert len(scanner.rest) <= 8
        ends.extend(found.ends)
        for first, last in found.comments:
            first = comments.pop()[0] if comments and comments[-1][1] == first else first
            comments.append((first, last))
    return Scan(ends, comments)


def test_random_text_cut_anywhere():
    rng = random.Random(0)
    for _ in range(4000):
        source = "".join(rng.choices("'''\"\"\"\\\\\n\n\r#([{)]} ab", k=rng.randint(1, 40)))
        whole = StatementScanner().feed(source)
        cuts = sorted(rng.sample(range(len(source)), rng.randint(0, min(8, len(source)))))
        assert pieces(source, cuts) == whole, repr(source)
        assert pieces(source, range(1, len(source))) == whole, repr(source)
        assert not cuts or [end for end in whole.ends if end <= cuts[0]] == statement_ends(source[: cuts[0]]).tolist()


def test_code_cut_anywhere():
    rng = random.Random(1)
    for source in sources(rng.sample(LIBRARY, 40)):
        for most in (7, 3000):
            cuts = sorted(rng.sample(range(len(source)), len(source) // most))
            assert pieces(source, cuts) == StatementScanner().feed(source)


def test_long_strings_take_linear_time():
    source = 'a = """' + "text \\\" '' \n" * 40_000 + '"""\n'
    started = time.process_time()
    assert pieces(source, range(3, len(source), 3)).ends == [len(source)]
    assert time.process_time() - started < 5


CLOSINGS = [
    ("a = 1\n", ""),
    ("if a:  # b\n", " pass\n"),
    ("if a: b\n", ""),
    ("class A:\n\tdef f(self,\n  b):\n", "\t pass\n"),
    ("@a\n", "def _(): pass\n"),
    ("class A:\n  @a('#:')\n\n# c\n", "  def _(): pass\n"),
    ("match a:\n", " case _: pass\n"),
    ("match a:\n  case 1:\n", "   pass\n"),
    ("try: a\n", "finally: pass\n"),
    ("try:\n a\nexcept b:\n", " pass\n"),
    ("while a:\n try:\n  try:\n   if a:\n    b\n   else:\n", "    pass\n  finally: pass\n finally: pass\n"),
    ("try:\n a\nexcept b:\n c\nelse:\n try: d\nb = '#:'\n", ""),
]


@pytest.mark.parametrize(("source", "expected"), CLOSINGS)
def test_closing(source, expected):
    assert closing(source) == expected


def test_what_is_closed_can_be_parsed():
    rng = random.Random(2)
    for source in sources(rng.sample([path for path in LIBRARY if path.stat().st_size < 50_000], 60)):
        try:
            ast.parse(source)
        except SyntaxError:
            continue
        ends = statement_ends(source).tolist()
        for end in rng.sample(ends, min(len(ends), 6)):
            ast.parse(source[:end] + closing(source[:end]))
