"""softplus: values, gradients also at 0, and the same bits in every call."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from sfm_ms.nn.softplus import softplus

X = np.concatenate([[0.0, -100.0, 100.0, 1e-4], np.random.default_rng(0).normal(size=773) * 4]).astype(np.float32)


class Softplus(nn.Cell):
    def construct(self, x):
        return softplus(x)


def test_values_and_gradients():
    assert np.allclose(Softplus()(Tensor(X)).asnumpy(), np.logaddexp(0, X.astype(np.float64)), rtol=1e-5, atol=1e-6)
    gradient = ms.grad(Softplus())(Tensor(X)).asnumpy()
    assert gradient[0] == 0.5
    assert np.allclose(gradient, 1 / (1 + np.exp(-X.astype(np.float64))), rtol=1e-5, atol=1e-6)


def test_every_call_gives_the_same_bits():
    cell, x = Softplus(), Tensor(X)
    assert len({cell(x).asnumpy().tobytes() for _ in range(15)}) == 1
