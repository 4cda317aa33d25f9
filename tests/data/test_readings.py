"""Texts as models read them: statements, edges and answers by hand, nothing from later text, pieces and batches."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sfm_ms.data.operands import OUTSIDE
from sfm_ms.data.readings import Piece, pieces, read_text
from sfm_ms.data.text_batches import TextBatches, as_batch, held_out_programs, tokenizer_of, training_programs
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.recipe import load
from sfm_ms.tasks.code_graph import code_graph
from sfm_ms.tasks.code_reader import EDGE_KINDS
from sfm_ms.tasks.python_code import source_files
from sfm_ms.tasks.statements import closing, statement_ends

SOURCE = """import os

def name(path):
    # a comment
    if path:
        path = os.path.join(path,
                            "b")
    return path

print(name("a"))
"""


@pytest.fixture(scope="module")
def tokenizer():
    return TextTokenizer.train((file.text for file in source_files(split="valid", held_out=0.01)), 400)


def edges_of(text, tokenizer, most=20):
    return {(a, b, kind) for a, b, kind in read_text(text, tokenizer, most).edges.tolist()}


def test_a_small_source_by_hand(tokenizer):
    reading = read_text(SOURCE, tokenizer, 20)
    texts = [tokenizer.decode(part) for part in np.split(reading.tokens[1:-1], np.flatnonzero(reading.is_end))]
    assert [text.split()[0] for text in texts[:6]] == ["import", "def", "#", "path", "return", 'print(name("a"))']
    assert tokenizer.decode(reading.tokens[:-1][reading.operand == OUTSIDE]).strip() == "# a comment"
    assert len(reading.kinds) == 6 and reading.kinds.tolist() == [4, 2, 4, 4, 4, 4]  # statements but for a function
    names = {(a, b, (*EDGE_KINDS, *(f"{kind} back" for kind in EDGE_KINDS))[kind]) for a, b, kind in reading.edges.tolist()}
    assert {(1, 2, "contains"), (2, 3, "control"), (1, 4, "def_use"), (3, 4, "def_use"), (0, 3, "reads back")} <= names
    assert {(1, 5, "calls back"), (1, 5, "def_use")} <= names and (2, 4, "def_use") not in names


def test_edges_lead_forward_and_the_nearest_are_kept(tokenizer):
    text = "a = 1\n" + "b = a\n" * 3 + "c = a + b\n"
    everything, few = (read_text(text, tokenizer, most).edges for most in (20, 2))
    assert (everything[:, 0] < everything[:, 1]).all() and (np.diff(everything[:, 1]) >= 0).all()
    assert np.bincount(few[:, 1]).max() == 2 and {tuple(edge) for edge in few} < {tuple(edge) for edge in everything}
    assert [few[few[:, 1] == later, 0].min() for later in (3, 4)] == [0, 1]


def test_nothing_is_known_before_it_is_read(tokenizer):
    files = [file for file in source_files(split="valid", held_out=0.01) if 500 < len(file.text) < 20_000]
    rng = np.random.default_rng(0)
    compared = 0
    for file in files[:8]:
        ends = statement_ends(file.text)
        if len(ends) == 0 or code_graph(file.text).warnings:
            continue
        for number in rng.integers(1, len(ends) + 1, 3):
            prefix = file.text[: ends[number - 1]]
            whole = {edge for edge in edges_of(file.text, tokenizer) if edge[1] < number}
            assert whole == {edge for edge in edges_of(prefix + closing(prefix), tokenizer) if edge[1] < number}, file.path
            compared += len(whole)
    assert compared > 1000


def test_answers_are_the_tokens_that_hold_them(tokenizer):
    text = "a = 57\nprint(a)\n# 57\nprint(a + 1)\n# 58\n"
    reading = read_text(text, tokenizer, 4, [(18, 20), (36, 38)])
    assert tokenizer.decode(reading.tokens[1:][reading.is_answer]) == "5758"


@pytest.mark.parametrize(("num_tokens", "num_statements"), [(10, 50), (1000, 2), (7, 1)])
def test_pieces_cover_the_text_within_their_limits(tokenizer, num_tokens, num_statements):
    reading = read_text(SOURCE, tokenizer, 4)
    found = pieces(reading, num_tokens, num_statements)
    assert sum(piece.num_tokens for piece in found) == len(reading.is_end)
    assert [piece.first for piece in found] == np.cumsum([0, *(piece.num_tokens for piece in found)])[:-1].tolist()
    for piece in found:
        assert 0 < piece.num_tokens <= num_tokens and piece.num_statements <= num_statements
        assert reading.is_end[piece.first : piece.first + piece.num_tokens].sum() == piece.num_statements
        assert piece.first_statement == reading.is_end[: piece.first].sum()
    assert pieces(read_text("", tokenizer, 4), num_tokens, num_statements) == [Piece(0, 1, 0, 0)]


def test_a_batch_holds_its_pieces(tokenizer):
    reading = read_text(SOURCE, tokenizer, 20)
    first, second = pieces(reading, 1000, 3)
    fresh, continued = (
        as_batch([(reading, first), (reading, second)], 200, 4, 20, is_continued) for is_continued in (False, True)
    )
    for row, piece in enumerate((first, second)):
        tokens = slice(piece.first, piece.first + piece.num_tokens)
        assert np.array_equal(fresh.tokens_BT[row, : piece.num_tokens], reading.tokens[tokens])
        assert np.array_equal(fresh.targets_BT[row, : piece.num_tokens], reading.tokens[piece.first + 1 :][: piece.num_tokens])
        assert (fresh.operand_BT[row, piece.num_tokens :] == OUTSIDE).all()
        assert fresh.is_token_BT[row].sum() == fresh.is_code_BT[row].sum() == piece.num_tokens
        assert np.array_equal(fresh.operand_BT[row, : piece.num_tokens], reading.operand[tokens])
        assert fresh.is_end_BT[row].sum() == piece.num_statements and (fresh.kinds_BS[row] > 0).sum() == piece.num_statements
    edges, all_edges = (batch.edges_BE3[1][batch.edges_BE3[1, :, 1] >= 0] for batch in (fresh, continued))
    assert {(a + 3, b + 3, kind) for a, b, kind in edges.tolist()} == {
        edge for edge in map(tuple, all_edges.tolist()) if edge[0] >= 3
    }
    assert (all_edges[:, 1] >= 3).all() and (all_edges[:, 0] < 3).any()


def test_a_batch_is_a_function_of_its_step():
    recipe = load("debug/python_code", ["training.batch_size=6"])
    tokenizer = tokenizer_of(recipe)
    batches = TextBatches(recipe, tokenizer)
    later = [batches[step] for step in (40, 3)]
    again = TextBatches(recipe, tokenizer)
    for batch, step in zip(later, (40, 3), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(batch, again[step], strict=True))
    is_program = later[0].is_answer_BT.any(1)
    assert is_program.tolist() == [True] * 3 + [False] * 3 and not later[0].is_code_BT[is_program].any()
    places = {tuple(batches[step].tokens_BT[row]) for step in range(8) for row in range(3, 6)}
    assert len(places) == 24  # of an epoch's pieces, each once


def test_test_programs_have_a_length_and_one_answer():
    recipe = load("debug/python_code")
    tokenizer = tokenizer_of(recipe)
    for program in held_out_programs(recipe, tokenizer, 2):
        assert tokenizer.decode(program.tokens).count(" = ") == 3 + 6
        assert np.flatnonzero(program.is_answer).size == 1


def test_training_programs_grow_over_the_curriculum_and_fill_their_windows():
    recipe = load("debug/python_code", ["task.programs.curriculum_steps=6", "task.programs.question_share=0"])
    tokenizer = tokenizer_of(recipe)
    batches = TextBatches(recipe, tokenizer)
    assert [batches.max_operations(step) for step in range(7)] == [2, 2, 2, 3, 3, 3, 3]
    rows = training_programs(recipe, tokenizer, range(9), 3)
    for row in rows:
        lines = [line for line in tokenizer.decode(row.tokens).splitlines() if not line.startswith("#")]
        assert len(row.tokens) > recipe.task.window_tokens and row.is_answer.any()
        assert lines[:3] == [line for line in lines if re.fullmatch(r"[abc] = \d", line)][:3]
        assert len(lines) < 2 * (3 + 3 + 3)  # one program more than fits would be two too many
    assert all(np.array_equal(a, b) for a, b in zip(rows[7], training_programs(recipe, tokenizer, [7], 3)[0], strict=True))
    assert TextBatches(load("debug/python_code"), tokenizer).max_operations(0) == 3
