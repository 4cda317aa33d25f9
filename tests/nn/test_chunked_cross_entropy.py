"""The chunked cross-entropy against the plain one in NumPy's float64: values, gradients, and what stays out of memory."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from sfm_ms.nn.chunked_cross_entropy import ChunkedCrossEntropy

NUM_TOKENS, DIM, VOCABULARY = 7, 5, 23


def arguments(scale=1.0):
    rng = np.random.default_rng(0)
    x, head = (rng.normal(size=(rows, DIM)).astype(np.float32) for rows in (NUM_TOKENS, VOCABULARY))
    targets = rng.integers(0, VOCABULARY, NUM_TOKENS).astype(np.int32)
    targets[:2] = 0, VOCABULARY - 1  # the first and the last chunk
    return scale * x, head, targets, rng.uniform(0.1, 2, NUM_TOKENS).astype(np.float32)


def plain(x, head, targets, weights):
    """Loss, nll, and the gradients of the loss with respect to x, head and weights."""
    logits = x.astype(np.float64) @ head.T
    logits -= logits.max(-1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    nll = -log_probabilities[np.arange(len(x)), targets]
    of_logits = weights[:, None] * (np.exp(log_probabilities) - np.eye(len(head))[targets])
    return (nll * weights).sum(), nll, of_logits @ head, of_logits.T @ x, nll


def chunked(arrays, chunk_size, **options):
    cell = ChunkedCrossEntropy(chunk_size, **options)
    (loss, nll), gradients = ms.value_and_grad(cell, (0, 1, 3), has_aux=True)(*map(Tensor, arrays))
    return [array.asnumpy() for array in (loss, nll, *gradients)]


@pytest.mark.parametrize("chunk_size", [8, 23, 100])
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_values_and_gradients_are_those_of_the_plain_one(chunk_size, scale):
    arrays = arguments(scale)
    for found, expected in zip(chunked(arrays, chunk_size), plain(*arrays), strict=True):
        assert np.allclose(found, expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max())


class SumOfSquares(nn.Cell):
    """Of the nll of each token: a term of its own, as of a head that foretells the loss. The matrix is a Parameter."""

    def __init__(self, head):
        super().__init__()
        self.chunked, self.table = ChunkedCrossEntropy(8), Parameter(Tensor(head), name="table")

    def construct(self, x, targets, weights):
        return (self.chunked(x, self.table, targets, weights)[1] ** 2).sum()


def test_gradients_of_single_losses_reach_x_and_a_parameter():
    x, head, targets, weights = arguments()
    nll = plain(x, head, targets, weights)[1]
    loss = SumOfSquares(head)
    of_x, (of_head,) = ms.grad(loss, 0, ms.ParameterTuple([loss.table]))(*map(Tensor, (x, targets, weights)))
    for found, expected in zip((of_x, of_head), plain(x, head, targets, 2 * nll)[2:4], strict=True):
        assert np.allclose(found.asnumpy(), expected, rtol=1e-4, atol=1e-4)


def test_weights_of_zero_leave_nothing():
    x, head, targets, weights = arguments()
    loss, nll, of_x, of_head, _ = chunked((x, head, targets, 0 * weights), 8)
    assert loss == 0 and not of_x.any() and not of_head.any() and nll.all()


def test_float16_products_and_a_head_that_does_not_learn():
    x, head, targets, weights = arguments()
    halves = (x.astype(np.float16), head.astype(np.float16), targets, weights)
    loss, nll, of_x, of_head, _ = chunked(halves, 8, dtype=ms.float16, head_learns=False)
    expected = plain(*halves)
    assert nll.dtype == np.float32 and of_x.dtype == np.float16 and not of_head.any()
    for found, right in zip((loss, nll, of_x), expected, strict=False):
        assert np.allclose(found, right, rtol=5e-3, atol=5e-3)


def test_an_impossible_chunk_is_refused():
    with pytest.raises(ValueError, match="chunk_size: expected at least 1 token of the vocabulary, got 0"):
        ChunkedCrossEntropy(0)
