"""A statement straight from its tokens as they are spelled, before any layer knows of the text around them.

    word 0 = sum of its keywords, operators and punctuation        word m = sum of the tokens of its operand m
    statement = [word 0, word 1, ... word M] W

Each operand is told apart, as a sum over all tokens is dominated by what all statements have.

Shapes: B rows, T tokens, S statements, R = S + 1 places (nn/statement_places.py), D width of tokens, C width of statements, M
operands, W = M + 1 words.
"""

from __future__ import annotations

import numpy as np
from mindspore import dtype as mstype
from mindspore import nn, ops

from sfm_ms.nn.init import normal
from sfm_ms.nn.linear import product
from sfm_ms.nn.statement_places import same


class StatementReader(nn.Cell):
    """(x (B, T, D), operand (B, T) int32, member (B, R, T), is_unfinished (B, R), words (B, W, D))
    -> (statements (B, S, C), words of each (B, S, W, D), words (B, W, D)).

    operand: the number of the operand that a token is part of, from 1, or 0. words, in and out: of the statement that is not
    complete.
    """

    def __init__(self, dim: int, statement_dim: int, num_operands: int, rng: np.random.Generator):
        super().__init__()
        self.num_words = num_operands + 1
        self.words_XC = normal(rng, (self.num_words * dim, statement_dim))

    def construct(self, x_BTD, operand_BT, member_BRT, is_unfinished_BR, before_BWD):
        num_rows, num_places, num_tokens = member_BRT.shape
        numbers_W1 = ops.arange(self.num_words).astype(mstype.int32).expand_dims(1)
        is_of_word_BRWT = member_BRT.expand_dims(2) * same(operand_BT.expand_dims(1), numbers_W1).expand_dims(1)
        words_BXD = ops.bmm(is_of_word_BRWT.reshape(num_rows, num_places * self.num_words, num_tokens), x_BTD)
        words_BRWD = words_BXD.reshape(num_rows, num_places, self.num_words, -1)
        words_BRWD = ops.concat((words_BRWD[:, :1] + before_BWD.expand_dims(1), words_BRWD[:, 1:]), 1)
        complete_BSWD = words_BRWD[:, : num_places - 1]
        unfinished_BWD = (is_unfinished_BR.reshape(num_rows, num_places, 1, 1) * words_BRWD).sum(1)
        statements_BSC = product(complete_BSWD.reshape(num_rows, num_places - 1, -1), self.words_XC)
        return statements_BSC, complete_BSWD, unfinished_BWD

    def begin(self, num_rows: int):
        """The words of `num_rows` texts before their first token."""
        return ops.zeros((num_rows, self.num_words, self.words_XC.shape[0] // self.num_words))

    def flops(self, num_tokens: int, num_statements: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass for one piece of a text."""
        to_words = num_tokens * (num_statements + 1) * self.words_XC.shape[0]
        return 2 * (to_words + num_statements * self.words_XC.size)
