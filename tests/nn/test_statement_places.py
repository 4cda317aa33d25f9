"""Tokens and statements: which token belongs where, hears what; pool and reader of a statement's tokens, also over pieces."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor

from sfm_ms.nn.statement_places import places
from sfm_ms.nn.statement_pool import SHARPNESS, StatementPool
from sfm_ms.nn.statement_reader import StatementReader

ENDS = np.array([[0, 1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0]], np.float32)
OPERAND = np.array([[1, 0, 1, 0, 2, 1, 1], [0] * 7, [1, 0, 2, -1, -1, -1, -1]], np.int32)


def seen(operand, ends, num_statements=3):
    return places(Tensor(operand), Tensor(ends), num_statements)


def test_every_token_is_at_the_place_of_its_statement():
    member, is_unfinished, hears, is_statement = (part.asnumpy() for part in seen(OPERAND, ENDS))
    assert np.array_equal(member[0].argmax(0), [0, 0, 1, 1, 1, 2, 2]) and (member[0].sum(0) == 1).all()
    assert np.array_equal(member.sum(1), OPERAND >= 0)
    assert np.array_equal(hears[0].argmax(1), [0, 1, 1, 1, 2, 2, 2])
    assert np.array_equal(is_unfinished.argmax(1), [2, 0, 2]) and (is_unfinished.sum(1) == 1).all()
    assert np.array_equal(is_statement, [[1, 1, 0], [0, 0, 0], [1, 1, 0]])


def test_a_statement_is_the_weighted_mean_of_its_tokens():
    pool, x = StatementPool(5, 6, 2, np.random.default_rng(0)), drawn(3, 7, 5)
    statements, _ = run(pool, x, OPERAND, ENDS)
    normed = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5)
    weights = np.exp(SHARPNESS * np.tanh(normed @ pool.weight_DP.asnumpy()))
    values = (normed @ pool.value_DC.asnumpy()).reshape(3, 7, 2, 3)
    for row, statement, tokens in ((0, 0, slice(0, 2)), (0, 1, slice(2, 5)), (2, 1, slice(1, 2))):
        w = weights[row, tokens, :, None]
        expected = (w * values[row, tokens]).sum(0) / w.sum(0)
        assert np.allclose(statements[row, statement], expected.reshape(-1), rtol=2e-3)


def test_a_statement_in_two_pieces_is_the_same():
    pool, x = StatementPool(5, 6, 2, np.random.default_rng(0)), drawn(3, 7, 5)
    whole, after = run(pool, x, OPERAND, ENDS)
    _, sums = run(pool, x[:, :3], OPERAND[:, :3], ENDS[:, :3])
    second, again = run(pool, x[:, 3:], OPERAND[:, 3:], ENDS[:, 3:], sums)
    assert np.allclose(second[0, 0], whole[0, 1], atol=1e-5)
    assert np.allclose(again.asnumpy(), after.asnumpy(), atol=1e-5)


def run(pool, x, operand, ends, sums=None):
    member, is_unfinished, *_ = seen(operand, ends)
    statements, sums = pool(Tensor(x), member, is_unfinished, pool.begin(len(x)) if sums is None else sums)
    return statements.asnumpy(), sums


def test_a_statement_is_read_word_by_word_also_in_two_pieces():
    reader, x = StatementReader(5, 6, 2, np.random.default_rng(0)), drawn(3, 7, 5)
    statements, words, unfinished = read(reader, x, OPERAND, ENDS, reader.begin(3))
    assert np.allclose(words[0, 1], [x[0, 3], x[0, 2], x[0, 4]], atol=1e-6)
    assert np.allclose(words[2, 0, 1:], [x[2, 0], np.zeros(5)], atol=1e-6) and (words[1, :, 1:] == 0).all()
    assert np.allclose(unfinished.asnumpy()[0], [np.zeros(5), x[0, 5] + x[0, 6], np.zeros(5)], atol=1e-6)
    assert np.allclose(statements[0, 1], words[0, 1].reshape(-1) @ reader.words_XC.asnumpy(), atol=1e-5)
    *_, unfinished = read(reader, x[:, :3], OPERAND[:, :3], ENDS[:, :3], reader.begin(3))
    in_pieces = read(reader, x[:, 3:], OPERAND[:, 3:], ENDS[:, 3:], unfinished)
    assert np.allclose(in_pieces[0][0, 0], statements[0, 1], atol=1e-5)
    assert np.allclose(in_pieces[1][0, 0], words[0, 1], atol=1e-6)


def read(reader, x, operand, ends, unfinished):
    member, is_unfinished, *_ = seen(operand, ends)
    statements, words, unfinished = reader(Tensor(x), Tensor(operand), member, is_unfinished, unfinished)
    return statements.asnumpy(), words.asnumpy(), unfinished


def drawn(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)
