"""The short convolution against its formula in NumPy, in pieces of any length, and its gradient."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from sfm_ms.nn.short_convolution import ShortConvolution


def convolved(x, weight):
    """From zeros on, in float64."""
    width = len(weight)
    padded = np.concatenate([np.zeros((len(x), width - 1, x.shape[2])), x.astype(np.float64)], 1)
    total = sum(padded[:, w : w + x.shape[1]] * weight[w] for w in range(width))
    return total / (1 + np.exp(-total))


@pytest.mark.parametrize("width", [2, 4])
def test_pieces_of_a_text_give_what_the_whole_gives(width):
    rng = np.random.default_rng(0)
    convolution = ShortConvolution(5, rng, width)
    x = rng.normal(size=(2, 11, 5)).astype(np.float32)
    true = convolved(x, convolution.weight_WD.asnumpy().astype(np.float64))
    for pieces in ([11], [1] * 11, [3, 1, 7], [2, 9]):
        past, results = Tensor(np.zeros((2, width - 1, 5), np.float32)), []
        for piece in np.split(x, np.cumsum(pieces)[:-1], 1):
            y, past = convolution(Tensor(piece), Tensor(np.ones(piece.shape[:2], np.float32)), past)
            results.append(y.asnumpy())
        assert np.allclose(np.concatenate(results, 1), true, atol=1e-6), pieces
        assert np.array_equal(past.asnumpy(), x[:, -(width - 1) :])


def test_padding_is_not_in_the_past():
    rng = np.random.default_rng(2)
    x, past = (rng.normal(size=(3, n, 5)).astype(np.float32) for n in (6, 3))
    lengths = np.array([6, 2, 0])
    is_token = (np.arange(6) < lengths[:, None]).astype(np.float32)
    _, last = ShortConvolution(5, rng)(*map(Tensor, (x, is_token, past)))
    for row, length in enumerate(lengths):
        assert np.array_equal(last.asnumpy()[row], np.concatenate([past[row], x[row, :length]])[-3:])


class Fifth(nn.Cell):
    """The sum of the fifth token's results."""

    def __init__(self, convolution):
        super().__init__()
        self.convolution = convolution

    def construct(self, x_BTD, past_BWD):
        return self.convolution(x_BTD, ops.ones(x_BTD.shape[:2]), past_BWD)[0][:, 4].sum()


def test_gradient_reaches_the_tokens_before_and_none_after():
    rng = np.random.default_rng(1)
    convolution = ShortConvolution(3, rng)
    x, past = (Tensor(rng.normal(size=(1, n, 3)).astype(np.float32)) for n in (6, 3))
    d_x, d_past = ms.grad(Fifth(convolution), (0, 1))(x, past)
    assert (d_x.asnumpy()[:, 1:5] != 0).all() and (d_x.asnumpy()[:, [0, 5]] == 0).all() and (d_past.asnumpy() == 0).all()


def test_a_width_of_one_is_refused():
    with pytest.raises(ValueError, match="width of a short convolution: expected at least 2 tokens, got 1"):
        ShortConvolution(3, np.random.default_rng(0), 1)
