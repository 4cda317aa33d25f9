"""CRUXEval's files, the prompts made of them, and which answers are right."""

from __future__ import annotations

import json

import pytest

from sfm_ms.tasks.code_execution import sample
from sfm_ms.tasks.cruxeval import Problem, exact_match, read
from sfm_ms.tasks.interpreter import execute
from sfm_ms.tasks.scoring import parts
from sfm_ms.tasks.telling import numbered

COUNTS = Problem("sample_0", "def f(xs):\n    return [(xs.count(x), x) for x in xs]\n", "[1, 3, 1]", "[(2, 1), (1, 3), (2, 1)]")
JOINS = Problem("sample_1", "def f(a, b):\n    return a + b + '\u2028'", "'x', \" y\"", "'x y\u2028'")


def write(path, *lines):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines), "utf-8")
    return path


def test_reading_a_file(tmp_path):
    path = write(tmp_path / "crux.jsonl", {**COUNTS._asdict(), "code_lines": 2}, "", JOINS._asdict(), "")
    assert read(path) == [COUNTS, JOINS]


def test_a_prompt_is_that_of_a_sample_of_code_execution():
    program = "def f(xs):\n    return [(xs.count(x), x) for x in xs]\nprint(f([1, 3, 1]))"
    assert parts(COUNTS.prompt) == {"code": numbered(program), "trace": ""}
    assert COUNTS.is_right(execute(program).output.removesuffix("\n"))
    truth = sample(0, 0, 1)
    assert COUNTS.prompt == truth.spans()[0].text.replace(numbered(truth.code), numbered(program))
    assert parts(JOINS.prompt)["code"].endswith("print(f('x', \" y\"))")


@pytest.mark.parametrize(
    ("output", "right", "wrong"),
    [
        ("[1, 'a']", ["[1, 'a']", '[1,"a"]', " [1, 'a',]"], ["[1, a]", "(1, 'a')", "['a', 1]", "", "[1] + ['a']"]),
        ("'ab'", ["ab", "'ab'", '"ab"'], ["Ab", "ab ", "'a' 'c'", "ab'"]),
        ("'5'", ["5", "'5'"], ["5.0", "6"]),  # `print` shows no quotes
        ("5", ["5", "0x5", "5.0"], ["'5'", "2 + 3", "--5", "five"]),
        ("''", ["", "''"], [" ", "None"]),
        ("{'b': {1, 2}, 'a': None}", ["{'a': None, 'b': {2, 1}}"], ["{'a': 0, 'b': {2, 1}}", "{[]: 1}"]),
        ("True", ["True"], ["true", "False", "__import__('os')", "x" * 3, "(" * 5000, "-" * 5000 + "1", "\0"]),
    ],
)
def test_answers_are_compared_as_literals_or_as_printed(output, right, wrong):
    problem = Problem("1", "def f(): pass", "", output)
    assert [answer for answer in right if not problem.is_right(answer)] == []
    assert [answer for answer in wrong if problem.is_right(answer)] == []


def test_exact_match_is_the_share_of_right_answers():
    assert exact_match([COUNTS, JOINS], [COUNTS.output, "x"]) == 0.5
    with pytest.raises(ValueError, match="shorter"):
        exact_match([COUNTS, JOINS], [COUNTS.output])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"code": ', r"crux\.jsonl, line 2: not valid JSON"),
        ("[" * 100_000, "line 2: not valid JSON"),
        ("[1]", r"line 2: expected a JSON object, got \[1\]"),
        ({"id": "a", "code": "", "input": ""}, "line 2: no output"),
        ({**COUNTS._asdict(), "input": 5}, "line 2: input: expected text, got 5"),
        ({**COUNTS._asdict(), "output": "f(1)"}, r"line 2: output: expected a Python literal, got 'f\(1\)'"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_line(tmp_path, line, message):
    path = write(tmp_path / "crux.jsonl", COUNTS._asdict(), line)
    with pytest.raises(ValueError, match=message):
        read(path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.jsonl: expected a text file of CRUXEval"):
        read(tmp_path / "nowhere.jsonl")
    with pytest.raises(ValueError, match="expected a JSON object a line, got an empty file"):
        read(write(tmp_path / "empty.jsonl", "", ""))
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"binary\.jsonl: expected a text file"):
        read(tmp_path / "binary.jsonl")
