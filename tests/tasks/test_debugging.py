"""Debugging samples: the buggy program fails and the fixed one passes, under CPython too."""

from __future__ import annotations

import re

import pytest
from cpython import differences

from sfm_ms.tasks.debugging import outcome, sample
from sfm_ms.tasks.interpreter import evaluate
from sfm_ms.tasks.mutations import KINDS, mutations
from sfm_ms.tasks.programs import DIFFICULTIES

NUM_SAMPLES = 60
SAMPLES = {difficulty: [sample(0, i, difficulty) for i in range(NUM_SAMPLES)] for difficulty in DIFFICULTIES}
ALL = [each for samples in SAMPLES.values() for each in samples]


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_buggy_programs_fail_and_fixes_pass_under_cpython(difficulty):
    samples = SAMPLES[difficulty]
    fixed = [f"{each.fix}\n{each.tests}" for each in samples]
    assert differences([each.buggy_code for each in samples] + fixed) == []  # so that what is seen here is seen there
    for each in samples:
        assert each.buggy_code.endswith(f"\n{each.tests}") and each.tests.startswith("assert ")
        assert outcome(each.buggy_code, "").error is not None
        assert (outcome(each.fix, each.tests).error is None) == each.is_correct


def test_the_fix_changes_the_one_line_that_the_reasoning_names():
    for each in ALL:
        buggy = each.buggy_code.removesuffix("\n" + each.tests).split("\n")
        pairs = list(enumerate(zip(buggy, each.fix.split("\n"), strict=True), start=1))
        ((line, (before, after)),) = [(line, pair) for line, pair in pairs if pair[0] != pair[1]]
        assert each.reasoning.endswith(f"\nLine {line} reads `{before.strip()}`. It must be `{after.strip()}`.")


def test_the_error_says_what_the_failing_call_gives():
    num_raising = 0
    for each in ALL:
        call, expected, found = re.fullmatch(r"(.+) must give (.+), but (?:gives (.+)|raises .+)", each.error).groups()
        assert f"assert {call} == {expected}" in each.tests.split("\n")
        buggy = each.buggy_code.removesuffix("\n" + each.tests)
        if found is None:
            num_raising += 1
            assert each.error.endswith(outcome(buggy, call).error)
        else:
            assert evaluate(buggy, f"{call} == {found}") and found != expected
        assert each.reasoning.startswith(f"In {call}:\n")
    assert num_raising > 10


def test_many_programs_and_every_kind_of_slip():
    assert len({each.buggy_code for each in ALL}) == len(ALL)
    assert {each.kind for each in ALL} == set(KINDS)
    assert 0.08 < sum(not each.is_correct for each in ALL) / len(ALL) < 0.22


def test_the_loss_falls_on_reasoning_and_fix():
    for each in ALL[::7] + [each for each in ALL if not each.is_correct]:
        given, produced, judgement = each.spans()
        assert given == (f"<|buggy_code|>\n{each.buggy_code}\n<|error|>\n{each.error}\n<|reasoning|>\n", False, False)
        assert produced == (f"{each.reasoning}\n<|fix|>\n{each.fix}\n", each.is_correct, False)
        assert judgement == (f"<|judge_{'correct' if each.is_correct else 'wrong'}|>", True, True)


def test_a_sample_is_a_function_of_its_number():
    assert sample(0, 5, 4) == SAMPLES[4][5] != sample(1, 5, 4)
    with pytest.raises(ValueError, match="difficulty: expected one of 1, 2, 3, 4, 5, got 0"):
        sample(0, 0, 0)


SOURCE = """def f(xs, n=2):
    total = 0
    for i in range(len(xs) - 1):
        if xs[i] > n and not xs[-1] == 4:
            total += max(xs[0], f'{n + 1}')
    return total
"""


def test_slips():
    found = {(each.kind, each.line, each.after) for each in mutations(SOURCE)}
    assert found >= {
        ("constant", 1, "def f(xs, n=3):"),
        ("off by one", 3, "for i in range(len(xs) - 1 + 1):"),
        ("operator", 3, "for i in range(len(xs) + 1):"),
        ("index", 4, "if xs[i + 1] > n and not xs[-1] == 4:"),
        ("index", 4, "if xs[i] > n and not xs[0] == 4:"),
        ("comparison", 4, "if xs[i] >= n and not xs[-1] == 4:"),
        ("operator", 4, "if xs[i] > n or not xs[-1] == 4:"),
        ("condition", 4, "if not (xs[i] > n and (not xs[-1] == 4)):"),
        ("condition", 4, "if xs[i] > n and xs[-1] == 4:"),
        ("variable", 4, "if xs[i] > total and not xs[-1] == 4:"),
        ("overwrite", 5, "total = max(xs[0], f'{n + 1}')"),
        ("function", 5, "total += min(xs[0], f'{n + 1}')"),
        ("missing return", 6, "total"),
    }
    for each in mutations(SOURCE):
        pairs = zip(SOURCE.split("\n"), each.source.split("\n"), strict=True)
        assert [line for line, (before, after) in enumerate(pairs, start=1) if before != after] == [each.line]
    assert {each.kind for each in mutations(SOURCE, ("index", "operator"))} == {"index", "operator"}
    with pytest.raises(ValueError, match=r"kinds: expected some of operator, .*, got 'indices'"):
        mutations(SOURCE, ("indices",))
    with pytest.raises(ValueError, match="source: expected ASCII"):
        mutations("a = 'é'")
