"""The generator, its executor against the interpreter and CPython, the encoding, what is supervised."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfm_ms.tasks import state_tracking
from sfm_ms.tasks.interpreter import execute
from sfm_ms.tasks.state_tracking import KINDS, Language

families = pytest.mark.parametrize("family", ["classic", "full", "chained"])


def generate(
    count=50, seed=3, stream=0, min_operations=3, max_operations=20, num_variables=5, start=0, family="classic", modulus=101
):
    language = Language(family, num_variables, modulus)
    return state_tracking.generate(language, seed, stream, np.arange(start, start + count), min_operations, max_operations)


@pytest.mark.parametrize(("family", "modulus"), [("classic", 101), ("full", 101), ("chained", 101), ("chained", 11)])
def test_values_are_those_of_the_interpreter_and_of_cpython(family, modulus):
    programs = generate(count=1000, max_operations=40, family=family, modulus=modulus)
    values, known = state_tracking.run(programs)
    store = programs.language.store
    for i in range(len(programs)):
        lines = programs.lines(i)
        ours = dict(execute("\n".join(lines), store=store).trace)  # a conditional that is not taken leaves no entry
        cpython, last = {}, {}
        for t, line in enumerate(lines):
            exec(line, {}, cpython)
            cpython = {name: store(value) for name, value in cpython.items()}
            held = {state_tracking.VARIABLES[v]: values[i, t, v] for v in range(5) if known[i, t, v]}
            last = ours.get(t + 1, last)
            assert held == cpython == last


@families
def test_program_i_is_a_pure_function_of_seed_stream_and_i(family):
    all_of_them, some = generate(count=50, family=family), generate(count=7, start=20, family=family)
    assert [all_of_them.lines(20 + i) for i in range(7)] == [some.lines(i) for i in range(7)]
    lines = [generate(seed=seed, stream=stream, family=family).lines(0) for seed, stream in ((4, 0), (3, 0), (3, 1))]
    assert lines[0] != lines[1] != lines[2]


@families
def test_the_distribution_is_the_one_described(family):
    programs = generate(count=4000, family=family)
    language, operations = programs.language, programs.lengths - 5
    assert operations.min() == 3 and operations.max() == 20
    assert np.bincount(programs.queried, minlength=5).min() > 700
    assert np.array_equal(programs.target[:, :5], np.tile(np.arange(5), (4000, 1)))
    assert (programs.kind[:, :5] == state_tracking.ASSIGN).all()

    is_operation = (np.arange(25) >= 5) & programs.is_statement
    counts = np.bincount(programs.kind[is_operation], minlength=len(KINDS))
    assert set(np.flatnonzero(counts)) == set(language.kinds)
    assert np.allclose(counts[list(language.kinds)] / counts.sum(), 1 / len(language.kinds), atol=0.01)

    updates = is_operation & (programs.kind == state_tracking.UPDATE)
    assert np.isclose(programs.right_is_variable[updates].mean(), 0.5, atol=0.015)
    constants = programs.right[updates & ~programs.right_is_variable]
    assert constants.min() == 1 and constants.max() == 20
    assert set(programs.operator[updates]) == set(range(len(language.operators)))
    assigned = programs.right[programs.is_statement & (programs.kind == state_tracking.ASSIGN)]
    assert assigned.min() == 0 and assigned.max() == 100

    to_itself = programs.right_is_variable & (programs.right == programs.target) & is_operation
    never = [state_tracking.SWAP, state_tracking.CONDITIONAL, *([state_tracking.UPDATE] if family == "chained" else [])]
    assert not (to_itself & np.isin(programs.kind, never)).any()
    assert not (programs.left == programs.than).any()
    if family == "chained":
        assert not (is_operation & (programs.kind == state_tracking.ASSIGN)).any()


def test_modulus_bounds_values_and_constants():
    programs = generate(count=500, family="chained", modulus=7)
    values, known = state_tracking.run(programs)
    assert set(values[known]) == set(range(7)) and programs.right[programs.is_statement].max() == 6
    assert len(programs.language.vocabulary) == len(programs.language.symbols) + 5 + 7


@families
def test_no_label_is_in_the_input_and_nothing_is_cut(family):
    """Every statement is encoded whole and alone, so its text can be read back from its tokens."""
    programs = generate(count=20, min_operations=320, max_operations=320, family=family)
    words = programs.language.vocabulary
    tokens = state_tracking.encode(programs)
    for i in range(len(programs)):
        text = [" ".join(words[token] for token in statement if token) for statement in tokens[i]]
        assert [line.replace(" ,", ",").replace(" :", ":") for line in text] == programs.lines(i)
        assert len(text) == 325
    asked = state_tracking.question_tokens(programs.language, programs.queried)
    assert [words[token] for token in asked] == [state_tracking.VARIABLES[v] for v in programs.queried]
    assert tokens.max() < len(words)
    used = {words[token] for token in np.unique(tokens)} - {state_tracking.PADDING}
    assert used >= {*programs.language.symbols, *programs.language.variables} - {state_tracking.PADDING}


@given(
    count=st.integers(1, 6),
    low=st.integers(1, 9),
    extra=st.integers(0, 9),
    num_variables=st.integers(2, 26),
    seed=st.integers(0, 2**32 - 1),
    family=st.sampled_from(["classic", "full", "chained"]),
)
def test_any_shape_is_executed_as_the_interpreter_does(count, low, extra, num_variables, seed, family):
    programs = generate(count, seed, 0, low, low + extra, num_variables, family=family)
    truth = state_tracking.true_answers(programs)
    for i in range(count):
        run = execute("\n".join(programs.lines(i)), store=programs.language.store)
        assert run.error is None and run.variables[state_tracking.VARIABLES[programs.queried[i]]] == truth[i]


def test_one_variable_is_enough_for_classic():
    programs = generate(count=20, num_variables=1)
    assert {line[0] for i in range(20) for line in programs.lines(i)} == {"a"}


@families
def test_supervision(family):
    programs = generate(count=30, family=family)
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


@pytest.mark.parametrize("mode", ["queried", "all"])
def test_statement_weight_zero_leaves_the_answer_alone(mode):
    _, _, weights = state_tracking.supervise(generate(count=4), mode, statement_weight=0.0)
    assert np.allclose(weights.sum((1, 2)), 1.0)
