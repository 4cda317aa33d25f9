"""The kernels in the hybrid DSL, called as the NumPy functions they also are and compiled by AKG."""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

from sfm_ms.ops import akg_compiler
from sfm_ms.ops.gated_delta_rule import akg

SHAPES = [(2, 16, 5, 7), (3, 32, 64, 16)]  # chunks, tokens, key width, value width


def cases(chunks, tokens, key_dim, value_dim):
    """(kernel, the argument its result is like, arguments, result) for each kernel."""
    rng = np.random.default_rng(tokens)

    def draw(*shape):
        return rng.normal(size=shape).astype(np.float32)

    left, right, weights = draw(chunks, tokens, key_dim), draw(chunks, tokens, key_dim), draw(chunks, tokens, tokens)
    a, x = np.tril(draw(chunks, tokens, tokens), -1) * 0.2, draw(chunks, tokens, value_dim)
    states = draw(chunks, key_dim, value_dim)
    return [
        (akg.gram, 2, (left, right, weights), left @ right.swapaxes(1, 2) * weights),
        (akg.solve, 1, (a, x), np.linalg.solve(np.eye(tokens) + a, x)),
        (akg.read, 3, (left, states, weights, x), left @ states + weights @ x),
    ]


@pytest.mark.parametrize("shape", SHAPES[:1])
def test_as_numpy(shape):
    for kernel, _, arguments, expected in cases(*shape):
        assert np.allclose(kernel(*arguments), expected, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_compiled(shape):
    if reason := akg_compiler.why_not():
        pytest.skip(reason)
    for kernel, like, arguments, expected in cases(*shape):
        got = akg_compiler.compiled(kernel, like)(*map(Tensor, arguments)).asnumpy()
        assert np.linalg.norm(got - expected) / np.linalg.norm(expected) < 1e-6


def test_why_it_cannot_run(monkeypatch):
    monkeypatch.setattr(akg_compiler, "NEEDS", ("no_such_module",))
    assert akg_compiler.why_not() == "AKG needs no_such_module; install the extra 'akg'"
    monkeypatch.setattr(mindspore, "get_context", lambda _: "Ascend")
    assert akg_compiler.why_not() == "the device is Ascend"
