"""System 1, perception: a causal decoder over tokens whose cost per token does not grow with the text.

Each layer adds to the stream what the gated delta rule reads from its memory, and then a gated feed-forward layer, both of the
normalised stream. What a layer knows of the text so far is the last few tokens and one matrix a head.

Shapes: B rows, T tokens, D width, H heads, K = D / H, F = 3D, W tokens of the short convolutions.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn

from sfm_ms.nn.delta_layer import DeltaLayer
from sfm_ms.nn.linear import matrices
from sfm_ms.nn.norm import RmsNorm
from sfm_ms.nn.swiglu import SwiGlu, hidden_dim


class PerceptionSystem(nn.Cell):
    """(x (B, T, D), is_token (B, T), state) -> (y (B, T, D), state); `begin` makes the state of texts that begin.

    is_token is 1, and 0 for the padding at a row's end. The state has two arrays a layer, (B, W - 1, F) and (B, H, K, K).
    In a call from outside a graph wrap the state as `mindspore.mutable(state)`: the Tensors of a plain tuple are constants to
    the compiler, which then compiles at every call.
    """

    def __init__(self, dim: int, num_layers: int, num_heads: int, rng: np.random.Generator, chunk_size: int = 64):
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"layers of the perception system: expected at least 1, got {num_layers}")
        self.num_layers = num_layers
        self.layers = nn.CellList([PerceptionLayer(dim, num_heads, rng, chunk_size) for _ in range(num_layers)])

    def construct(self, x_BTD, is_token_BT, state):
        after = ()
        for number in range(self.num_layers):
            x_BTD, past_BWF, state_BHKK = self.layers[number](x_BTD, is_token_BT, state[2 * number], state[2 * number + 1])
            after += (past_BWF, state_BHKK)
        return x_BTD, after

    def flops(self, num_tokens: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass for one text, but for those inside a chunk."""
        return 2 * num_tokens * sum(layer.products() for layer in self.layers)

    def begin(self, num_rows: int) -> tuple:
        """The state of `num_rows` texts before their first token."""
        return tuple(part for layer in self.layers for part in layer.memory.begin(num_rows))


class PerceptionLayer(nn.Cell):
    """(x, is_token, past (B, W - 1, F), state (B, H, K, K)) -> (x, past, state)."""

    def __init__(self, dim: int, num_heads: int, rng: np.random.Generator, chunk_size: int):
        super().__init__()
        self.before_memory, self.before_feed_forward = RmsNorm(dim), RmsNorm(dim)
        self.memory = DeltaLayer(dim, num_heads, rng, chunk_size=chunk_size)
        self.feed_forward = SwiGlu(dim, hidden_dim(dim), rng)

    def construct(self, x_BTD, is_token_BT, past_BWF, state_BHKK):
        read_BTD, past_BWF, state_BHKK = self.memory(self.before_memory(x_BTD), is_token_BT, past_BWF, state_BHKK)
        x_BTD = x_BTD + read_BTD
        return x_BTD + self.feed_forward(self.before_feed_forward(x_BTD)), past_BWF, state_BHKK

    def products(self) -> int:
        """Multiply-adds of a token: through the matrices, and what the rule reads, erases and writes."""
        memory = self.memory
        return sum(matrix.size for matrix in matrices(self)) + 3 * memory.num_heads * memory.head_dim**2
