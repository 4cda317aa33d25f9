"""A causal convolution over the last few tokens, of each channel alone; Yang et al. 2025, "Gated Delta Networks", section 3.4.

    y_t = silu(sum over w of weight_w * x_{t - W + 1 + w})

Shapes: B rows, T tokens, D channels, W tokens that a result depends on.
"""

from __future__ import annotations

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.nn.init import normal
from sfm_ms.nn.linear import product
from sfm_ms.nn.spread import beside, spread


class Convolution(nn.Cell):
    """What both kinds have: a width W and, before a text, a past of zeros. ValueError: less than two tokens."""

    def __init__(self, width: int):
        super().__init__()
        if width < 2:
            raise ValueError(f"width of a short convolution: expected at least 2 tokens, got {width}")
        self.width = width

    def begin(self, num_rows: int):
        """The past of `num_rows` texts before their first token."""
        return ops.zeros((num_rows, self.width - 1, self.weight_WD.shape[1]))


class ShortConvolution(Convolution):
    """(x (B, T, D), is_token (B, T), past (B, W - 1, D), the tokens before) -> (y (B, T, D), the past of what follows).

    Zeros begin a text. is_token is 1, and 0 for the padding at a row's end, which is not in the past.
    """

    def __init__(self, dim: int, rng: np.random.Generator, width: int = 4):
        super().__init__(width)
        self.weight_WD = normal(rng, (width, dim))

    def construct(self, x_BTD, is_token_BT, past_BWD):
        num_steps = x_BTD.shape[1]
        all_BTD = ops.concat((past_BWD, x_BTD), 1)
        sum_BTD = all_BTD[:, :num_steps] * spread(self.weight_WD[0], x_BTD)
        for w in range(1, self.width):
            sum_BTD = sum_BTD + all_BTD[:, w : w + num_steps] * spread(self.weight_WD[w], x_BTD)
        return sum_BTD * ops.sigmoid(sum_BTD), self.last(all_BTD, is_token_BT)

    def last(self, all_BTD, is_token_BT):
        """The last W - 1 of the tokens before and in a row, picked by a product with ones where they are."""
        num_before = self.width - 1
        places_W1 = ops.arange(num_before).astype(mstype.float32).expand_dims(1)
        first_B11 = is_token_BT.sum(1).reshape(-1, 1, 1)
        all_places_T = ops.arange(all_BTD.shape[1]).astype(mstype.float32)
        is_picked_BWT = (all_places_T == first_B11 + places_W1).astype(all_BTD.dtype)
        return ops.bmm(is_picked_BWT, all_BTD)


class SegmentedConvolution(Convolution):
    """As ShortConvolution, for rows in which texts stand side by side: (x, is_first (B, T), past) -> (y, past).

    is_first is 1 at a text's first token, which no token before it reaches, else 0. No row has padding. For the backward pass
    only the arguments are kept.
    """

    def __init__(self, weight_WD: np.ndarray):
        super().__init__(len(weight_WD))
        self.weight_WD = Parameter(Tensor(weight_WD.astype(np.float32)))
        self.convolve = _Convolve(len(weight_WD))

    def construct(self, x_BTD, is_first_BT, past_BWD):
        weight_WD = self.weight_WD.reshape(self.weight_WD.shape)  # a Cell with a `bprop` takes no Parameter
        return self.convolve(x_BTD, is_first_BT, past_BWD, weight_WD)


class _Convolve(nn.Cell):
    """(x, is_first, past, weight (W, D)) -> (y, past)."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def construct(self, x_BTD, is_first_BT, past_BWD, weight_WD):
        all_BTD, reach = ops.concat((past_BWD, x_BTD), 1), self.reach(is_first_BT, past_BWD)
        sum_BTD = self.sums(all_BTD, reach, weight_WD)
        return sum_BTD * ops.sigmoid(sum_BTD), all_BTD[:, x_BTD.shape[1] :] * self.kept(reach, past_BWD)

    def bprop(self, x_BTD, is_first_BT, past_BWD, weight_WD, out, dout):
        (num_rows, num_steps, dim), num_before = x_BTD.shape, self.width - 1
        all_BTD, reach = ops.concat((past_BWD, x_BTD), 1), self.reach(is_first_BT, past_BWD)
        sum_BTD = self.sums(all_BTD, reach, weight_WD)
        sigmoid_BTD = ops.sigmoid(sum_BTD)
        of_sum_BTD = dout[0] * (sigmoid_BTD + out[0] - out[0] * sigmoid_BTD)
        of_kept_BWD = dout[1] * self.kept(reach, past_BWD)
        of_all_BTD = ops.concat((ops.zeros((num_rows, num_steps, dim)), of_kept_BWD), 1)
        ones_1N, of_weight = ops.ones((1, num_rows * num_steps)), ()
        for back in range(self.width):
            start = num_before - back
            of_sum_back_BTD = of_sum_BTD * beside(reach[back], dim)
            of_weight_BTD = of_sum_back_BTD * all_BTD[:, start : start + num_steps]
            of_weight = (product(ones_1N, of_weight_BTD.reshape(num_rows * num_steps, dim)), *of_weight)
            of_before_BTD = of_sum_back_BTD * spread(weight_WD[start], x_BTD)
            around = (ops.zeros((num_rows, start, dim)), of_before_BTD, ops.zeros((num_rows, back, dim)))
            of_all_BTD = of_all_BTD + ops.concat([part for part in around if part.shape[1] > 0], 1)
        of_x_BTD, of_past_BWD = of_all_BTD[:, num_before:], of_all_BTD[:, :num_before]
        return of_x_BTD, ops.zeros(is_first_BT.shape), of_past_BWD, ops.concat(of_weight)

    def reach(self, is_first_BT, past_BWD):
        """For 0 to W - 1: 1 where the token so many places before is of the same text (B, T)."""
        follows_BT = ops.concat((ops.ones(past_BWD.shape[:2]), 1 - is_first_BT), 1)
        found = (ops.ones(is_first_BT.shape),)
        for back in range(1, self.width):
            start = self.width - back
            found = (*found, found[-1] * follows_BT[:, start : start + is_first_BT.shape[1]])
        return found

    def sums(self, all_BTD, reach, weight_WD):
        num_steps, sum_BTD = reach[0].shape[1], 0.0
        for back in range(self.width):
            start = self.width - 1 - back
            before_BTD = all_BTD[:, start : start + num_steps]
            sum_BTD = sum_BTD + before_BTD * beside(reach[back], all_BTD.shape[2]) * spread(weight_WD[start], before_BTD)
        return sum_BTD

    def kept(self, reach, past_BWD):
        """1 for those of the last W - 1 tokens that are of the last one's text (B, W - 1, D)."""
        return beside(ops.concat([each_BT[:, -1:] for each_BT in reach[-2::-1]], 1), past_BWD.shape[2])
