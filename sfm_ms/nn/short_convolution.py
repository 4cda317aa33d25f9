"""A causal convolution over the last few tokens, of each channel alone; Yang et al. 2025, "Gated Delta Networks", section 3.4.

    y_t = silu(sum over w of weight_w * x_{t - W + 1 + w})

Shapes: B rows, T tokens, D channels, W tokens that a result depends on.
"""

from __future__ import annotations

import numpy as np
from mindspore import dtype as mstype
from mindspore import nn, ops

from sfm_ms.nn.init import normal
from sfm_ms.nn.spread import spread


class ShortConvolution(nn.Cell):
    """(x (B, T, D), is_token (B, T), past (B, W - 1, D), the tokens before) -> (y (B, T, D), the past of what follows).

    Zeros begin a text. is_token is 1, and 0 for the padding at a row's end, which is not in the past.
    """

    def __init__(self, dim: int, rng: np.random.Generator, width: int = 4):
        super().__init__()
        if width < 2:
            raise ValueError(f"width of a short convolution: expected at least 2 tokens, got {width}")
        self.width = width
        self.weight_WD = normal(rng, (width, dim))

    def construct(self, x_BTD, is_token_BT, past_BWD):
        num_steps = x_BTD.shape[1]
        all_BTD = ops.concat((past_BWD, x_BTD), 1)
        sum_BTD = all_BTD[:, :num_steps] * spread(self.weight_WD[0], x_BTD)
        for w in range(1, self.width):
            sum_BTD = sum_BTD + all_BTD[:, w : w + num_steps] * spread(self.weight_WD[w], x_BTD)
        return sum_BTD * ops.sigmoid(sum_BTD), self.last(all_BTD, is_token_BT)

    def begin(self, num_rows: int):
        """The past of `num_rows` texts before their first token."""
        return ops.zeros((num_rows, self.width - 1, self.weight_WD.shape[1]))

    def last(self, all_BTD, is_token_BT):
        """The last W - 1 of the tokens before and in a row, picked by a product with ones where they are."""
        num_before = self.width - 1
        places_W1 = ops.arange(num_before).astype(mstype.float32).expand_dims(1)
        first_B11 = is_token_BT.sum(1).reshape(-1, 1, 1)
        all_places_T = ops.arange(all_BTD.shape[1]).astype(mstype.float32)
        is_picked_BWT = (all_places_T == first_B11 + places_W1).astype(all_BTD.dtype)
        return ops.bmm(is_picked_BWT, all_BTD)
