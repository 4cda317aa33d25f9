"""The generator, its executor against the interpreter and CPython, the encoding and the trivial readers."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfm_ms.tasks import state_tracking
from sfm_ms.tasks.interpreter import execute


def clamp(value: int) -> int:
    return min(max(value, 0), 100)


def generate(count=50, seed=3, stream=0, min_operations=3, max_operations=20, num_variables=5, start=0):
    return state_tracking.generate(seed, stream, np.arange(start, start + count), min_operations, max_operations, num_variables)


def test_values_are_those_of_the_interpreter_and_of_cpython():
    programs = generate(count=3000, max_operations=40)
    values, known = state_tracking.run(programs)
    for i in range(len(programs)):
        lines = programs.lines(i)
        ours = execute("\n".join(lines), store=clamp)
        cpython: dict = {}
        for t, line in enumerate(lines):
            exec(line, {}, cpython)
            cpython = {name: clamp(value) for name, value in cpython.items()}
            held = {state_tracking.VARIABLES[v]: values[i, t, v] for v in range(5) if known[i, t, v]}
            assert held == cpython == ours.trace[t][1]
            assert ours.trace[t][0] == t + 1


def test_program_i_is_a_pure_function_of_seed_stream_and_i():
    all_of_them, some = generate(count=50), generate(count=7, start=20)
    assert [all_of_them.lines(20 + i) for i in range(7)] == [some.lines(i) for i in range(7)]
    assert generate(seed=4).lines(0) != generate(seed=3).lines(0) != generate(stream=1).lines(0)


def test_the_distribution_is_the_one_described():
    programs = generate(count=4000)
    operations = programs.lengths - 5
    assert operations.min() == 3 and operations.max() == 20
    assert np.bincount(programs.queried, minlength=5).min() > 700
    is_operation = (np.arange(25) >= 5) & (np.arange(25) < programs.lengths[:, None])
    is_update, from_variable = programs.operator > 0, programs.right_is_variable
    shares = [
        (is_operation & kind).sum() / is_operation.sum()
        for kind in (is_update, ~is_update & from_variable, ~is_update & ~from_variable)
    ]
    assert np.allclose(shares, 1 / 3, atol=0.01)
    assert np.isclose((from_variable & is_update & is_operation).sum() / (is_update & is_operation).sum(), 0.5, atol=0.01)
    constants = programs.right[is_operation & is_update & ~from_variable]
    assert constants.min() == 1 and constants.max() == 20
    assigned = programs.right[is_operation & ~is_update & ~from_variable]
    assert assigned.min() == 0 and assigned.max() == 100
    assert np.array_equal(programs.target[:, :5], np.tile(np.arange(5), (4000, 1)))


def test_no_label_is_in_the_input_and_nothing_is_cut():
    """Changing what a program ends with changes no token but those of its statements; every statement is encoded."""
    programs = generate(count=20, min_operations=320, max_operations=320)
    words = state_tracking.vocabulary(5)
    tokens = state_tracking.encode(programs)
    for i in range(len(programs)):
        text = [" ".join(words[token] for token in statement if token) for statement in tokens[i]]
        assert text == programs.lines(i)
    asked = state_tracking.question_tokens(programs.queried)
    assert [words[token] for token in asked] == [state_tracking.VARIABLES[v] for v in programs.queried]
    assert "What" not in words and tokens.max() < len(words)


@given(
    count=st.integers(1, 6),
    low=st.integers(1, 9),
    extra=st.integers(0, 9),
    num_variables=st.integers(1, 26),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=50, deadline=None)
def test_any_shape_is_executed_as_the_interpreter_does(count, low, extra, num_variables, seed):
    programs = generate(count, seed, 0, low, low + extra, num_variables)
    truth = state_tracking.true_answers(programs)
    for i in range(count):
        run = execute("\n".join(programs.lines(i)), store=clamp)
        assert run.error is None and run.variables[state_tracking.VARIABLES[programs.queried[i]]] == truth[i]


def test_supervision():
    programs = generate(count=30)
    values, _ = state_tracking.run(programs)
    last = np.arange(25) == programs.lengths[:, None] - 1
    for mode, num_questions in (("answer", 1), ("queried", 1), ("all", 6)):
        asked, labels, weights = state_tracking.supervise(programs, mode, statement_weight=4.0)
        assert asked.shape == (30, num_questions) and labels.shape == weights.shape == (30, 25, num_questions)
        assert np.array_equal(asked[:, 0], programs.queried)
        assert np.array_equal(labels[:, :, 0][last], state_tracking.true_answers(programs))
        assert np.allclose(weights.sum((1, 2)), 1.0 if mode == "answer" else 5.0)
        for i, t, q in zip(*np.nonzero(weights), strict=True):
            assert asked[i, q] <= t < programs.lengths[i]  # the variable exists: initial assignments come in order
            assert labels[i, t, q] == values[i, t, asked[i, q]]


def test_window_reader_is_exact_where_the_window_tells_and_guesses_elsewhere():
    programs = generate(count=400, min_operations=30, max_operations=30)
    truth = state_tracking.true_answers(programs)
    assert np.array_equal(state_tracking.window_reader(programs, 35, otherwise=-1), truth)
    for window in (1, 8, 16):
        guesses = state_tracking.window_reader(programs, window, otherwise=-1)
        assert np.array_equal(guesses[guesses >= 0], truth[guesses >= 0])
        # What it knows must follow from the window alone: other values before the window change nothing.
        before = np.arange(35) < 35 - window
        changed = dataclasses.replace(programs, right=np.where(before & ~programs.right_is_variable, 1, programs.right))
        assert np.array_equal(state_tracking.window_reader(changed, window, otherwise=-1), guesses)
        assert (guesses == -1).any()


def test_majority_class():
    assert state_tracking.majority_class(np.array([3, 100, 100, 7])) == (100, 0.5)


@pytest.mark.parametrize("mode", ["queried", "all"])
def test_statement_weight_zero_leaves_the_answer_alone(mode):
    _, _, weights = state_tracking.supervise(generate(count=4), mode, statement_weight=0.0)
    assert np.allclose(weights.sum((1, 2)), 1.0)
