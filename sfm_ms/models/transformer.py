"""A transformer encoder over the tokens of a whole program, its question first; a rival of the state tracker.

Padding is masked out of attention and positions count the real tokens only, so padding changes nothing.

Shapes: B programs, T statements, W tokens a statement, S = 1 + T W tokens, D width.
"""

from __future__ import annotations

import numpy as np
from mindspore import dtype as mstype
from mindspore import nn, ops

from sfm_ms.models.rival import Rival
from sfm_ms.nn.attention import MASKED, Attention, causal_bias
from sfm_ms.nn.linear import num_inputs, num_products
from sfm_ms.nn.mlp import Mlp
from sfm_ms.nn.norm import layer_norm
from sfm_ms.nn.positions import Angles, rotation, waves
from sfm_ms.nn.token_embedding import TokenEmbedding
from sfm_ms.recipe.schema import TransformerModel


class Block(nn.Cell):
    """(x (B, S, D), bias and rotation as nn/attention.py has them) -> (B, S, D)."""

    def __init__(self, config: TransformerModel, rng: np.random.Generator):
        super().__init__()
        self.norm_comes_first = config.norm == "pre"
        self.attention = Attention(config.dim, config.num_heads, rng)
        self.mlp = Mlp(config.dim, config.feed_forward_dim, rng)
        self.attention_norm = layer_norm(config.dim)
        self.mlp_norm = layer_norm(config.dim)

    def construct(self, x_BSD, bias, rotation):
        if self.norm_comes_first:
            x_BSD = x_BSD + self.attention(self.attention_norm(x_BSD), bias, rotation)
            return x_BSD + self.mlp(self.mlp_norm(x_BSD))
        x_BSD = self.attention_norm(x_BSD + self.attention(x_BSD, bias, rotation))
        return self.mlp_norm(x_BSD + self.mlp(x_BSD))


class Transformer(Rival):
    """See Rival; it has no state to pass on."""

    carries_state = False

    def __init__(self, config: TransformerModel, shape, seed: int):
        rng = np.random.default_rng(seed)
        super().__init__(config.dim, shape, rng)
        self.num_heads, self.width = config.num_heads, shape.statement_width
        self.is_rotary = config.positions == "rotary"
        self.is_causal = config.attention == "causal"
        self.reads_last = config.readout == "last"
        self.embedding = TokenEmbedding(config.dim, shape, rng)
        self.angles = Angles(config.dim // config.num_heads if self.is_rotary else config.dim)
        self.blocks = nn.CellList([Block(config, rng) for _ in range(config.num_layers)])
        self.final_norm = layer_norm(config.dim) if config.norm == "pre" else nn.Identity()

    def hidden(self, statements_BTW, questions_BQ, state):
        num_programs, num_statements, _ = statements_BTW.shape
        tokens_BS = ops.concat((questions_BQ[:, :1], statements_BTW.reshape(num_programs, -1)), 1)
        is_real_BS = (tokens_BS > 0).astype(mstype.float32)
        count_BS = ops.cumsum(is_real_BS, 1)
        x_BSD = self.encode(self.embedding(tokens_BS), is_real_BS, count_BS)
        return ops.bmm(pooling(is_real_BS, count_BS, num_statements, self.reads_last), x_BSD), state

    def encode(self, x_BSD, is_real_BS, count_BS):
        """The blocks' output for every token, (B, S, D)."""
        angles_BSA = self.angles(count_BS - 1)
        turns = rotation(angles_BSA) if self.is_rotary else None
        if not self.is_rotary:
            x_BSD = x_BSD + waves(angles_BSA)
        bias = ((1 - is_real_BS) * MASKED).expand_dims(1).expand_dims(1)
        if self.is_causal:
            bias = bias + causal_bias(is_real_BS.shape[1])
        for block in self.blocks:
            x_BSD = block(x_BSD, bias, turns)
        return self.final_norm(x_BSD)

    def hidden_products(self, num_statements: int) -> int:
        num_tokens = 1 + num_statements * self.width
        attention = 2 * num_tokens * self.dim * len(self.blocks)
        return num_tokens * (num_products(self.blocks) + attention) + num_statements * num_tokens * self.dim

    def hidden_activations(self, num_statements: int) -> int:
        num_tokens = 1 + num_statements * self.width
        attention = (3 * self.dim + self.num_heads * num_tokens) * len(self.blocks)
        return num_tokens * (num_inputs(self.blocks) + attention + self.dim + num_statements)


def pooling(is_real_BS, count_BS, num_statements, reads_last):
    """How much of every token goes into the hidden vector after a statement, (B, T, S).

    That vector is the last real token up to the end of the statement, or the mean of all of them; `count` numbers the
    real tokens from 1.
    """
    count_BT1 = count_BS[:, 1:].reshape(count_BS.shape[0], num_statements, -1)[:, :, -1:]
    count_B1S, is_real_B1S = count_BS.expand_dims(1), is_real_BS.expand_dims(1)
    if reads_last:
        return is_real_B1S * (count_B1S == count_BT1).astype(mstype.float32)
    return is_real_B1S * (count_B1S <= count_BT1).astype(mstype.float32) / count_BT1
