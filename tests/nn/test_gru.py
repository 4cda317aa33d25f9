"""The gated recurrent unit against its equations in NumPy in float64."""

import numpy as np
from mindspore import Tensor

from sfm_ms.nn.gru import Gru


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_steps_are_those_of_the_equations_and_padding_keeps_the_state():
    rng = np.random.default_rng(0)
    dim, gru = 6, Gru(6, rng)
    gru.from_hidden.bias_Y.set_data(Tensor(rng.normal(size=3 * dim).astype(np.float32)))
    x, h = rng.normal(size=(2, 4, dim)).astype(np.float32), rng.normal(size=(2, dim)).astype(np.float32)
    is_statement = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], np.float32)
    out, last = (result.asnumpy() for result in gru(Tensor(x), Tensor(is_statement), Tensor(h)))

    w, u = (layer.weight_XY.asnumpy().astype(np.float64) for layer in (gru.from_input, gru.from_hidden))
    b, c = (layer.bias_Y.asnumpy().astype(np.float64) for layer in (gru.from_input, gru.from_hidden))
    for t in range(4):
        from_input, from_hidden = np.split(x[:, t] @ w + b, 3, -1), np.split(h @ u + c, 3, -1)
        reset, update = (sigmoid(from_input[gate] + from_hidden[gate]) for gate in (0, 1))
        candidate = np.tanh(from_input[2] + reset * from_hidden[2])
        h = np.where(is_statement[:, t, None] > 0, (1 - update) * h + update * candidate, h)
        assert np.allclose(out[:, t], h, atol=1e-3), t
    assert np.array_equal(last, out[:, -1])
