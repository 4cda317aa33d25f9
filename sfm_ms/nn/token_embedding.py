"""Vectors for tokens: a learned one for each, plus, for numbers, the features that the state tracker's codes have too.

Shapes: N tokens in the vocabulary, F number features, E width of a token.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

from sfm_ms.nn.init import normal, table
from sfm_ms.nn.number_codes import NUM_FEATURES, number_features


class TokenEmbedding(nn.Cell):
    """(tokens (...) int32) -> (..., E). `shape` is the task's InputShape."""

    def __init__(self, dim: int, shape, rng: np.random.Generator):
        super().__init__()
        features = number_features(np.arange(shape.num_numbers), shape.num_numbers).astype(np.float32)
        self.features_NF = Tensor(np.pad(features, ((shape.first_number, 0), (0, 0))))
        self.features_to_token_FE = normal(rng, (NUM_FEATURES, dim))
        self.learned_NE = table(rng, (shape.num_tokens, dim), std=1.0)

    def construct(self, tokens):
        table_NE = self.learned_NE + ops.matmul(self.features_NF, self.features_to_token_FE)
        return ops.gather(table_NE, tokens, 0)
