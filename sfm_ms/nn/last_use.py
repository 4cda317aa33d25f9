"""What each token recalls of its last use: the tokens that came next there (data/last_uses.py), as vectors.

    y = gain * [known_n e_n, for each n] W        e_n: recalled token n; gain = 0 in a fresh model

Shapes: B rows, T tokens, L recalled tokens, D width.
"""

from __future__ import annotations

import numpy as np
from mindspore import dtype as mstype
from mindspore import nn

from sfm_ms.nn.init import normal, zeros
from sfm_ms.nn.linear import product


class LastUse(nn.Cell):
    """(recalled (B, T, L) int32, negative where there is none, vectors of the others (B, T, L, D)) -> (B, T, D)."""

    def __init__(self, dim: int, num_recalled: int, rng: np.random.Generator):
        super().__init__()
        self.recalled_XD = normal(rng, (num_recalled * dim, dim))
        self.gain_D = zeros((dim,))

    def construct(self, recalled_BTL, embedded_BTLD):
        known_BTLD = (recalled_BTL >= 0).astype(mstype.float32).expand_dims(3) * embedded_BTLD
        num_rows, num_tokens, _ = recalled_BTL.shape
        return self.gain_D * product(known_BTLD.reshape(num_rows, num_tokens, -1), self.recalled_XD)

    def flops(self, num_tokens: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass for one piece of a text."""
        return 2 * num_tokens * self.recalled_XD.size
