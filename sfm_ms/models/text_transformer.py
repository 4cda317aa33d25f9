"""A causal transformer language model with rotary positions, RMS norms and gated feed-forward layers: the machine's rival.

It has the vocabulary, the feed-forward layers and the norms of the State-Flow Machine; attention takes the place of its systems.

Shapes: B rows, T tokens, S statements, D width, Y tokens in the vocabulary.
"""

from __future__ import annotations

import numpy as np
from mindspore import dtype as mstype
from mindspore import nn, ops

from sfm_ms.nn.attention import Attention, causal_bias
from sfm_ms.nn.cost import Cost, cost
from sfm_ms.nn.linear import matrices, num_operands
from sfm_ms.nn.norm import RmsNorm
from sfm_ms.nn.positions import Angles, rotation
from sfm_ms.nn.swiglu import SwiGlu, hidden_dim
from sfm_ms.nn.vocabulary import Vocabulary
from sfm_ms.recipe.schema import TextTransformerModel


class TextTransformer(nn.Cell):
    """As StateFlowMachine, but without a state: it sees a text at once, and nothing of its statements."""

    carries_state = False
    has_opinion = False

    def __init__(self, config: TextTransformerModel, shape, seed: int):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.dim, self.num_heads = config.dim, config.num_heads
        self.vocabulary = Vocabulary(shape.num_tokens, config.dim, rng)
        self.angles = Angles(config.dim // config.num_heads)
        self.layers = nn.CellList([Layer(config, rng) for _ in range(config.num_layers)])

    def construct(self, tokens_BT, operand_BT, recalled_BTL, is_token_BT, is_end_BT, kinds_BS, edges_BE3):
        num_tokens = tokens_BT.shape[1]
        turns = rotation(self.angles(ops.arange(num_tokens).astype(mstype.float32).expand_dims(0)))
        x_BTD, bias = self.vocabulary.embed(tokens_BT), causal_bias(num_tokens)
        for layer in self.layers:
            x_BTD = layer(x_BTD, bias, turns)
        return self.vocabulary(x_BTD), x_BTD, ops.ones(kinds_BS.shape)

    def verdict(self, hidden_BTD, logits_BTY, candidate_BT):
        """It has none: 0, (B, T)."""
        return ops.zeros(candidate_BT.shape)

    def costs(self, num_tokens: int, num_statements: int, num_edges: int) -> dict[str, Cost]:
        """Of the vocabulary and of the layers, for one text of so many tokens."""
        of_token = sum(matrix.size for matrix in matrices(self.layers)) + 2 * num_tokens * self.dim * len(self.layers)
        return {
            "vocabulary": cost(self.vocabulary, self.vocabulary.flops(num_tokens)),
            "layers": cost(self.layers, 2 * num_tokens * of_token),
        }

    def activations(self, num_tokens: int, num_statements: int) -> int:
        """Numbers the backward pass keeps for one text: the operands of every product, attention's weights, and the logits."""
        weights = self.num_heads * num_tokens * len(self.layers)
        return num_tokens * (num_operands(self.layers) + weights + self.vocabulary.num_tokens)

    def begin(self, num_rows: int) -> tuple:
        return ()


class Layer(nn.Cell):
    """(x (B, T, D), bias and rotation as nn/attention.py has them) -> x."""

    def __init__(self, config: TextTransformerModel, rng: np.random.Generator):
        super().__init__()
        self.before_attention, self.before_feed_forward = RmsNorm(config.dim), RmsNorm(config.dim)
        self.attention = Attention(config.dim, config.num_heads, rng)
        self.feed_forward = SwiGlu(config.dim, hidden_dim(config.dim), rng)

    def construct(self, x_BTD, bias, turns):
        x_BTD = x_BTD + self.attention(self.before_attention(x_BTD), bias, turns)
        return x_BTD + self.feed_forward(self.before_feed_forward(x_BTD))
