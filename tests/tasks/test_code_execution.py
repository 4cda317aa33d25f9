"""Samples of code execution: true to CPython, functions of their number alone, wrong in the way that they should be."""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import sys

import pytest
from cpython import differences

from sfm_ms.tasks.code_execution import CodeSample, draw_difficulty, prompt, sample
from sfm_ms.tasks.interpreter import execute
from sfm_ms.tasks.programs import DIFFICULTIES, program
from sfm_ms.tasks.special_tokens import SPECIAL_TOKENS
from sfm_ms.tasks.telling import changes, monologue, numbered, slots, trace_text, value_text

NUM_SAMPLES = 200
SAMPLES = {difficulty: [sample(0, i, difficulty) for i in range(NUM_SAMPLES)] for difficulty in DIFFICULTIES}
WRONG = [each for samples in SAMPLES.values() for each in samples if not each.is_correct]


def programs(difficulty: int, count: int) -> list[str]:
    """As they are drawn, so some of them raise."""
    return [program(random.Random(f"test {difficulty} {i}"), difficulty) for i in range(count)]


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_programs_run_as_under_cpython(difficulty):
    """Variables, trace, error and output; those of samples and as many others."""
    assert differences([each.executed for each in SAMPLES[difficulty]] + programs(difficulty, NUM_SAMPLES)) == []


@pytest.mark.slow
@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_two_thousand_programs_run_as_under_cpython(difficulty):
    assert differences(programs(difficulty, 2000)) == []


def test_the_comparison_with_cpython_sees_a_difference():
    (found,) = differences(["x = 1", "import sys\nx = 2", "y = {1: [2]}"])
    assert "import sys" in found and "CPython: {'x': '2'}" in found


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_what_is_told_is_what_the_executed_program_does(difficulty):
    for each in SAMPLES[difficulty]:
        run = execute(each.executed)
        assert run.error is None and run.output == each.answer + "\n"
        assert each.slots == slots(run.variables)
        assert each.trace == trace_text(each.code, changes(each.executed, run.trace))
        assert (each.code == each.executed) == each.is_correct


def test_wrong_samples_tell_what_a_program_does_that_is_one_place_away():
    assert 0.1 < len(WRONG) / (NUM_SAMPLES * len(DIFFICULTIES)) < 0.2
    for each in WRONG:
        assert execute(each.code).output != each.answer + "\n"
        pairs = list(zip(each.code.split("\n"), each.executed.split("\n"), strict=True))
        ((shown, executed),) = [pair for pair in pairs if pair[0] != pair[1]]
        assert re.sub(r"\W|\d|\b(and|or|not|in)\b", "", shown) == re.sub(r"\W|\d|\b(and|or|not|in)\b", "", executed)
    assert all(each.is_correct for each in (sample(0, i, 3, share_wrong=0) for i in range(40)))
    assert not any(each.is_correct for each in (sample(0, i, 3, share_wrong=1) for i in range(10)))


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_the_monologue_follows_the_trace(difficulty):
    for each in SAMPLES[difficulty]:
        by_line: dict[int, list[str]] = {}
        for line in each.trace.split("\n"):
            number, statement, values = re.fullmatch(r"(\d+): (.+?)(?: -> (.+))?", line).groups()
            assert statement == each.code.split("\n")[int(number) - 1].strip()
            by_line.setdefault(int(number), []).append(values or "no change")
        *sentences, last = each.monologue.split("\n")
        assert last == f"So it prints {each.answer}."
        numbers = [int(re.match(r"Line (\d+)", sentence)[1]) for sentence in sentences]
        assert numbers == [number for number, texts in by_line.items() if texts != ["no change"]]
        for number, sentence in zip(numbers, sentences, strict=True):
            texts = by_line[number]
            assert len(texts) == 1 or f"{len(texts)} times" in sentence
            if set(texts) != {"no change"}:
                assert texts[0].replace("return=", "returns ") in sentence
                assert sentence.endswith(texts[-1].replace("return=", "returns ") + ".")


def test_the_text_has_its_parts_in_order_and_the_loss_falls_on_what_follows_the_program():
    for each in [*SAMPLES[4][:40], *WRONG]:
        given, produced, judgement = each.spans()
        assert given == (f"<|code|>\n{numbered(each.code)}\n<|trace|>\n", False, False) and given.text == prompt(each.code)
        assert produced.is_learned is each.is_correct and not produced.is_judge
        assert produced.text.startswith(each.trace) and produced.text.endswith(f"<|answer|>\n{each.answer}\n")
        assert judgement == (f"<|judge_{'correct' if each.is_correct else 'wrong'}|>", True, True)
        assert "judge" not in given.text + produced.text
        names = ["code", "trace", "slots", "monologue", "answer", judgement.text[2:-2]]
        assert re.findall(r"<\|(\w+)\|>", each.text) == names
        assert each.text == "".join(span.text for span in each.spans())
        assert json.loads(each.slots).keys() == execute(each.executed).variables.keys()


def test_special_tokens():
    assert len(SPECIAL_TOKENS) == len(set(SPECIAL_TOKENS)) == 18
    assert {"<|code|>", "<|judge_wrong|>", "<|verify|>"} <= set(SPECIAL_TOKENS)


PRINT_HASH = """
import hashlib, sys
from sfm_ms.tasks import code_execution, debugging
texts = [task.sample(0, i, d).text for task in (code_execution, debugging) for d in (5, 4, 3, 2, 1) for i in (9, 3)]
assert not any(name.startswith("mindspore") for name in sys.modules)
print(hashlib.sha256("".join(texts).encode()).hexdigest())
"""


def test_a_sample_is_a_function_of_its_number_in_any_process():
    from sfm_ms.tasks import code_execution, debugging

    texts = [task.sample(0, i, d).text for task in (code_execution, debugging) for d in (5, 4, 3, 2, 1) for i in (9, 3)]
    ours = hashlib.sha256("".join(texts).encode()).hexdigest()
    for hash_seed in ("1", "2"):
        run = [sys.executable, "-c", PRINT_HASH]
        done = subprocess.run(run, env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ours
    assert sample(0, 7, 2) == SAMPLES[2][7]
    assert sample(1, 7, 2) != SAMPLES[2][7]


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_programs_are_many_and_of_their_difficulty(difficulty):
    codes = [each.code for each in SAMPLES[difficulty]]
    assert len(set(codes)) == len(codes)
    together = "\n".join(codes)
    told = {1: ["def ", " = ", "+= "], 2: ["if ", "else:", "while ", "for ", "break", "continue"]}
    told |= {3: ["return", ".append(", "[::-1]", "    for ", ".upper()", ".split("]}
    told |= {4: [".get(", ".items()", "not in", "mid", "[1:]"], 5: ["lambda", " for ", "try:", "except ", "raise ", "finally"]}
    assert [words for words in told[difficulty] if words not in together] == []
    if difficulty == 4:
        assert any(re.search(r"def (\w+)\(.*\n(?:    .*\n)*    .*\b\1\(", code) for code in codes)  # recursion
    answers = [each.answer for each in SAMPLES[difficulty]]
    assert max(map(answers.count, answers)) < 0.2 * len(answers)


def test_length_is_bounded():
    assert max(len(sample(0, i, 4, max_characters=500).text) for i in range(30)) <= 500
    assert max(len(each.text) for samples in SAMPLES.values() for each in samples) <= 2400


def test_moves_copy_and_count_digits():
    drawn = [sample(0, i, 1, largest_number=9, only_moves=True) for i in range(60)]
    lines = [line for each in drawn for line in each.code.split("\n")]
    kinds = [r"[a-h] = \d", r"([a-h]) = (?!\1)[a-h]", r"[a-h] \+= 1", r"[a-h] -= 1", r"print\([a-h]\)"]
    assert all(any(re.fullmatch(kind, line) for line in lines) for kind in kinds)
    assert all(any(re.fullmatch(kind, line) for kind in kinds) for line in lines)
    assert {value for each in drawn for value in json.loads(each.slots).values()} == set(range(10))
    assert all(re.fullmatch(r"\d: .+ -> \w=\d", line) for each in drawn for line in each.trace.split("\n")[:-1])
    assert {each.is_correct for each in drawn} == {True, False} and len({each.code for each in drawn}) == 60


def test_difficulties_are_drawn_with_their_weights():
    drawn = [draw_difficulty(0, i, (0, 1, 0, 3, 0)) for i in range(1000)]
    assert set(drawn) == {2, 4} and 700 < drawn.count(4) < 800
    assert drawn[500:] == [draw_difficulty(0, i, (0, 1, 0, 3, 0)) for i in range(500, 1000)]


@pytest.mark.parametrize("weights", [(1, 1), (0, 0, 0, 0, 0), (1, 1, 1, 1, -1)])
def test_weights_that_are_none(weights):
    with pytest.raises(ValueError, match="weights: expected 5 that are not negative"):
        draw_difficulty(0, 0, weights)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"difficulty": 6}, "difficulty: expected one of 1, 2, 3, 4, 5, got 6"),
        ({"difficulty": 1, "share_wrong": 1.5}, "share_wrong: expected a chance between 0 and 1, got 1.5"),
        ({"difficulty": 2, "only_moves": True}, "only_moves: expected difficulty 1, got 2"),
        ({"difficulty": 1, "max_characters": 3}, "max_characters: expected at least 400, got 3"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        sample(0, 0, **arguments)


def test_what_a_program_did_as_text():
    code = "def f(n):\n    s = {3, 1, n}\n    return s\nx = f(2)\nfor i in (7, 8):\n    x = (x,)\ny = {(1, 2): None}\nprint(y)"
    told = changes(code, execute(code).trace)
    assert numbered(code).startswith("1: def f(n):\n2:     s = {3, 1, n}\n3:     return s\n4: x = f(2)\n")
    assert trace_text(code, told).split("\n") == [
        "1: def f(n):",
        "2: s = {3, 1, n} -> n=2, s={1, 2, 3}",
        "3: return s -> return={1, 2, 3}",
        "4: x = f(2) -> x={1, 2, 3}",
        "5: for i in (7, 8): -> i=7",
        "6: x = (x,) -> x=({1, 2, 3},)",
        "5: for i in (7, 8): -> i=8",
        "6: x = (x,) -> x=(({1, 2, 3},),)",
        "7: y = {(1, 2): None} -> y={(1, 2): None}",
        "8: print(y)",
    ]
    assert monologue(told, "!").split("\n")[1:5] == [
        "Line 3: returns {1, 2, 3}.",
        "Line 4: x={1, 2, 3}.",
        "Line 5 (2 times): i=7; i=8.",
        "Line 6 (2 times): x=({1, 2, 3},); x=(({1, 2, 3},),).",
    ]
    assert slots(execute(code).variables) == '{"x": [[[1, 2, 3]]], "i": 8, "y": {"(1, 2)": null}}'
    assert value_text(set()) == "set()" and value_text({"a": [True]}) == "{'a': [True]}"


def test_samples_are_records():
    each: CodeSample = SAMPLES[1][0]
    assert each.difficulty == 1 and each.text.startswith("<|code|>\n1: " + each.code.split("\n")[0])
