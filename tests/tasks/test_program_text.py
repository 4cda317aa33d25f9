"""Programs from text: a round trip through every family, true line numbers, and a clear line for everything wrong."""

import reprlib

import numpy as np
import pytest

from sfm_ms.tasks import state_tracking
from sfm_ms.tasks.program_text import ProgramTextError, parse
from sfm_ms.tasks.state_tracking import Language

FULL, CLASSIC, CHAINED = Language("full"), Language("classic"), Language("chained", modulus=7)
LANGUAGES = [FULL, CLASSIC, CHAINED, Language("full", 26), Language("chained", 2, 2), Language("classic", 1)]
VALUES = "a = 1\nb = 2\nc = 3\nd = 4\n"


def errors(text, language=FULL):
    """The lines of the message; none is long, whatever is wrong."""
    with pytest.raises(ProgramTextError) as caught:
        parse(text, language)
    lines = str(caught.value).splitlines()
    assert max(map(len, lines)) < 200
    return lines


def error_after_values(code, language=FULL):
    """What is wrong with a line that comes after `a` to `d` have values."""
    (line,) = errors(VALUES + code, language)
    where = f"line 5, {reprlib.repr(code)}: "
    assert line.startswith(where)
    return line.removeprefix(where)


@pytest.mark.parametrize("language", LANGUAGES, ids=str)
def test_the_text_of_a_program_is_that_program(language):
    programs = state_tracking.generate(language, 0, 0, np.arange(30), 3, 40)
    values, known = state_tracking.run(programs)
    for i, length in enumerate(programs.lengths):
        parsed, line_numbers = parse("\n".join(programs.lines(i)), language)
        assert line_numbers == list(range(1, length + 1)) and parsed.lengths.tolist() == [length]
        assert np.array_equal(state_tracking.encode(parsed)[0], state_tracking.encode(programs)[i, :length])
        parsed_values, parsed_known = state_tracking.run(parsed)
        assert np.array_equal(parsed_known[0], known[i, :length])
        assert np.array_equal(parsed_values[parsed_known], values[i, :length][known[i, :length]])


def test_comments_and_blank_lines_keep_the_line_numbers():
    text = "# a heading\n\n  a = 1  # the first\r\n\t\nb=2;\n\x0c\na,b=b,a\n\tif  a>b :a = b\n# a = q\n"
    programs, line_numbers = parse(text, FULL)
    assert programs.lines(0) == ["a = 1", "b = 2", "a, b = b, a", "if a > b: a = b"] and line_numbers == [3, 5, 7, 8]
    assert errors("# \x0c a heading\n\na = 1\nb = q # none")[0].startswith("line 4, 'b = q': unknown variable 'q'")


@pytest.mark.parametrize(
    ("code", "message"),
    {
        "a = x: 1": "invalid syntax",
        "a = = 3": "invalid syntax",
        "a = 3)": "unmatched ')'",
        "if a > b:": "expected an indented block after 'if' statement",
        "a = '\0'": "source code string cannot contain null bytes",
        "(" * 90: "'(' was never closed",
        "a = 1\u200b": "invalid non-printable character U+200B",
    }.items(),
)
def test_syntax(code, message):
    assert error_after_values(code) == message


@pytest.mark.parametrize("code", ["a = q", "q = 1", "a, q = q, a", "if q > b: c = d", "a = a + q", "q += a"])
def test_unknown_variable(code):
    assert error_after_values(code) == "unknown variable 'q'; expected one of a, b, c, d, e"
    assert error_after_values(code.replace("q", "ab")) == "unknown variable 'ab'; expected one of a, b, c, d, e"


@pytest.mark.parametrize(
    "code",
    [
        *("a = e", "e = e", "e = e * 2", "a = a - e", "e += a", "a += e", "a, e = e, a", "e, a = a, e"),
        *("if e > a: b = c", "if a > e: b = c", "if a > b: e = c", "if a > b: c = e"),
    ],
)
def test_no_value_yet(code):
    assert error_after_values(code) == "variable 'e' has no value yet"


@pytest.mark.parametrize(
    "number", ["-1", "True", "3.0", "1e1", "'3'", "None", "(not b)", "9" * 90, "0x" + "f" * 90, "-" * 90 + "3"]
)
def test_out_of_range(number):
    assert error_after_values(f"a = {number}") == "expected a whole number from 0 to 100 on the right"
    assert error_after_values(f"a = a - {number}") == "expected a whole number from 1 to 20 on the right"


@pytest.mark.parametrize(
    ("language", "accepted", "refused", "limits"),
    [
        (FULL, ["a = 0", "a = 100"], ["a = 101"], "0 to 100"),
        (FULL, ["a = a * 1", "a = a + 20"], ["a = a * 0", "a = a + 21"], "1 to 20"),
        (CHAINED, ["a = 0", "a = 6"], ["a = 7"], "0 to 6"),
        (CHAINED, ["a = a - 1", "a = a + 6"], ["a = a - 0", "a = a + 7"], "1 to 6"),
    ],
)
def test_limits(language, accepted, refused, limits):
    assert parse(VALUES + "\n".join(accepted), language)[0].lines(0)[4:] == accepted
    for code in refused:
        assert error_after_values(code, language) == f"expected a whole number from {limits} on the right"


@pytest.mark.parametrize("code", ["a += b", "a, b = b, a", "if a > b: c = d"])
def test_a_kind_that_classic_does_not_have(code):
    expected = "no statement of the family classic; expected `a = 7`, `a = a +|-|* b`, `a = b`"
    assert error_after_values(code, CLASSIC) == expected


@pytest.mark.parametrize("code", ["a += b", "a = b", "print(a)"])
def test_a_kind_that_chained_does_not_have(code):
    expected = "no statement of the family chained; expected `a = 7`, `a = a +|- b`, `a, b = b, a`, `if a > b: c = d`"
    assert error_after_values(code, CHAINED) == expected


def test_an_operator_that_chained_does_not_have():
    assert error_after_values("a = a * b", CHAINED) == "operator '*' is not of the family chained; expected one of +-"


@pytest.mark.parametrize(
    "code",
    [
        *("a = b = 3", "a: int = 3", "a = 1; b = 2", "a = 1\rb = 2", "a += 2", "a -= b", "a = (b := 3)", "a[b] = 3", "a.b = 3"),
        *("a = a / b", "a = b + a", "a = 1 + a", "a = a + b + c", "a = a + b * 2", "a = a + b.c", "a = a + (b, c)", "a = b.c"),
        *("a, b = a, b", "a, b = b, c", "a, a = a, a", "a, b, c = c, b, a", "a, b = 1, 2", "a, *b = b, a", "(a, b) = [b, a]"),
        *("if a > b: c = d; e = a", "if a > b: c = 3", "if a > 3: c = d", "if a >= b: c = d", "if a > b > c: c = d"),
        *("if a: c = d", "if a > b: c += d", "if not a > b: c = d", "while a > b: a = b", "a = b if c > d else a"),
        *("print(a)", "a", "3", "pass", "del a", "import os", "a = f'{b}'", "a = lambda: b", "a = [b]", "a == b"),
        *("a = " + "(" * 300 + "3" + ")" * 300, "a = " + "-" * 100_000 + "3", "a = a" + " + a" * 100_000, "a = 0x" + "f" * 9000),
    ],
    ids=reprlib.repr,
)
def test_anything_else_is_no_statement(code):
    assert error_after_values(code).startswith("no statement of the family full; expected `a = 7`, `a = a +|-|* b`, `a = b`, ")


@pytest.mark.parametrize("text", ["", "\n \n", "# a = 3\n"])
def test_an_empty_program(text):
    assert errors(text, CLASSIC) == ["the program is empty; expected statements such as `a = 7`, `a = a +|-|* b`, `a = b`"]


def test_every_wrong_line_is_told_of_but_what_follows_from_it_is_not():
    assert errors("a = 1\nb = 101\na = q\n\nb = b + a\nc = 3 3\na = e\nc = c * e\nd = d + b") == [
        "line 2, 'b = 101': expected a whole number from 0 to 100 on the right",
        "line 3, 'a = q': unknown variable 'q'; expected one of a, b, c, d, e",
        "line 6, 'c = 3 3': invalid syntax",
        "line 7, 'a = e': variable 'e' has no value yet",
        "line 9, 'd = d + b': variable 'd' has no value yet",
    ]


def test_of_very_many_wrong_lines_the_first_ten_are_told():
    lines = errors("this is\nprose\n" * 500)
    assert len(lines) == 11 and lines[9].startswith("line 10, 'prose'") and lines[10] == "and 990 more"
