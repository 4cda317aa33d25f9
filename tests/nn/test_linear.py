"""Products of rows with matrices, and weights spread over rows: values and gradients against NumPy, for any number of axes."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from sfm_ms.nn.linear import product
from sfm_ms.nn.spread import spread


class Product(nn.Cell):
    def construct(self, x, weight):
        return product(x, weight)


class Spread(nn.Cell):
    def construct(self, x, weight):
        return x * spread(weight, x)


def drawn(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("rows", [(1,), (5,), (2, 3), (2, 3, 4)])
def test_products_and_spread_weights_and_their_gradients(rows):
    x, matrix, weight = drawn(*rows, 6), drawn(6, 7), drawn(6)
    flat = x.reshape(-1, 6)
    assert np.allclose(Product()(Tensor(x), Tensor(matrix)).asnumpy(), x @ matrix, atol=1e-5)
    assert np.allclose(Spread()(Tensor(x), Tensor(weight)).asnumpy(), x * weight, atol=1e-6)
    of_x, of_matrix = ms.grad(Product(), (0, 1))(Tensor(x), Tensor(matrix))  # of the sum
    assert np.allclose(of_x.asnumpy(), np.broadcast_to(matrix.sum(1), x.shape), atol=1e-5)
    assert np.allclose(of_matrix.asnumpy(), flat.sum(0)[:, None].repeat(7, 1), atol=1e-5)
    of_x, of_weight = ms.grad(Spread(), (0, 1))(Tensor(x), Tensor(weight))
    assert np.allclose(of_x.asnumpy(), np.broadcast_to(weight, x.shape), atol=1e-6)
    assert np.allclose(of_weight.asnumpy(), flat.sum(0), atol=1e-5)
