"""A causal transformer over statements whose attention is linear, so its past is a state; a rival of the state tracker.

Shapes: B programs, T statements of a segment, W tokens a statement, Q questions a program, D width, L layers, H heads,
K width of a head, V = K + 1.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.models.rival import Rival
from sfm_ms.nn.linear import num_inputs, num_products
from sfm_ms.nn.linear_attention import LinearAttention
from sfm_ms.nn.mlp import Mlp
from sfm_ms.nn.norm import layer_norm
from sfm_ms.nn.positions import Angles, waves
from sfm_ms.nn.statement_embedding import StatementEmbedding
from sfm_ms.recipe.schema import LinearAttentionModel


class Block(nn.Cell):
    """(x (B, T, D), is_statement (B, T), memory (B, H, K, V)) -> (B, T, D), memory."""

    def __init__(self, config: LinearAttentionModel, rng: np.random.Generator):
        super().__init__()
        self.attention = LinearAttention(config.dim, config.num_heads, rng)
        self.mlp = Mlp(config.dim, config.feed_forward_dim, rng)
        self.attention_norm = layer_norm(config.dim)
        self.mlp_norm = layer_norm(config.dim)

    def construct(self, x_BTD, is_statement_BT, memory_BHKV):
        change_BTD, memory_BHKV = self.attention(self.attention_norm(x_BTD), is_statement_BT, memory_BHKV)
        x_BTD = x_BTD + change_BTD
        return x_BTD + self.mlp(self.mlp_norm(x_BTD)), memory_BHKV


class LinearAttentionTracker(Rival):
    """See Rival; the state is the number of statements so far and the layers' memories."""

    def __init__(self, config: LinearAttentionModel, shape, seed: int):
        rng = np.random.default_rng(seed)
        super().__init__(config.dim, shape, rng)
        head_dim = config.dim // config.num_heads
        self.memory_shape = (config.num_layers, config.num_heads, head_dim, head_dim + 1)
        self.state_size = 1 + int(np.prod(self.memory_shape))
        self.embedding = StatementEmbedding(config.token_dim, config.dim, shape, rng)
        self.angles = Angles(config.dim)
        self.blocks = nn.CellList([Block(config, rng) for _ in range(config.num_layers)])
        self.final_norm = layer_norm(config.dim)

    def hidden(self, statements_BTW, questions_BQ, state):
        num_programs = statements_BTW.shape[0]
        memories_LBHKV = ops.unbind(state[:, 1:].reshape(num_programs, *self.memory_shape), 1)
        x_BTD, is_statement_BT = self.embedding(statements_BTW)
        count_BT = state[:, :1] + ops.cumsum(is_statement_BT, 1)
        x_BTD = x_BTD + waves(self.angles(count_BT - 1))
        last = []
        for i, block in enumerate(self.blocks):
            x_BTD, memory_BHKV = block(x_BTD, is_statement_BT, memories_LBHKV[i])
            last.append(memory_BHKV.reshape(num_programs, -1))
        return self.final_norm(x_BTD), ops.concat((count_BT[:, -1:], *last), 1)

    def hidden_products(self, num_statements: int) -> int:
        layers, heads, key, value = self.memory_shape
        attention = layers * heads * (num_statements * (key + value) + 2 * key * value)
        return num_statements * (num_products(self.embedding) + num_products(self.blocks) + attention)

    def hidden_activations(self, num_statements: int) -> int:
        layers, heads, _, value = self.memory_shape
        attention = layers * heads * (4 * value + num_statements)  # q, k, v, what is divided; the scores
        return num_statements * (num_inputs(self.embedding) + num_inputs(self.blocks) + attention)
