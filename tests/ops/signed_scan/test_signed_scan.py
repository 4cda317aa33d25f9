"""Every implementation of the signed scan against the float64 reference, and what it refuses."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor, nn

from sfm_ms.ops.signed_scan import IMPLEMENTATIONS, NAMES, SignedScan, reference, signed_scan

TOLERANCE = {"cpu": 1e-5, "chunked": 5e-5, "akg": 5e-5, "reference": 1e-5}


def arguments(num_batch=2, time=17, channels=5, seed=0, is_signed=True):
    """x, log_decay, sign, initial_state."""
    rng = np.random.default_rng(seed)
    x, log_decay = rng.normal(size=(num_batch, time, channels)), -rng.exponential(size=(num_batch, time, channels))
    sign = np.where(is_signed & (rng.random(x.shape) < 0.5), -1.0, 1.0)
    return [array.astype(np.float32) for array in (x, log_decay, sign, rng.normal(size=(num_batch, channels)))]


class Loss(nn.Cell):
    def __init__(self, impl):
        super().__init__()
        self.scan = SignedScan(impl=impl)

    def construct(self, x, log_decay, sign, state, weights_out, weights_state):
        out, final_state = self.scan(x, log_decay, sign, state)
        return (out * weights_out).sum() + (final_state * weights_state).sum(), out, final_state


def with_gradients(impl):
    return ms.value_and_grad(Loss(impl), (0, 1, 3), has_aux=True)


def assert_right(function, impl, arguments):
    """Errors are relative to the result, or to a tenth of its terms' sizes: where terms cancel, their rounding errors do not."""
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=array.shape).astype(np.float32) for array in (arguments[0], arguments[-1])]
    (_, *outputs), gradients = function(*map(Tensor, (*arguments, *weights)))
    x, log_decay, sign, state = arguments
    true = outputs_and_gradients(*weights, *arguments)
    sizes = outputs_and_gradients(*map(abs, weights), abs(x), log_decay, abs(sign), abs(state))
    names = ("out", "final_state", *reference.Gradients._fields)
    for name, got, expected, size in zip(names, (*outputs, *gradients), true, sizes, strict=True):
        error = np.linalg.norm(got.asnumpy() - expected) / max(np.linalg.norm(expected), 0.1 * np.linalg.norm(size), 1e-30)
        assert got.shape == expected.shape and error <= TOLERANCE[impl], (name, error)


def outputs_and_gradients(d_out, d_final_state, *arguments):
    return [*reference.signed_scan(*arguments), *reference.signed_scan_backward(d_out, d_final_state, *arguments)]


@pytest.fixture(params=TOLERANCE)  # ascendc: test_ascendc_scan.py and tests/npu
def impl(request):
    if reason := IMPLEMENTATIONS[request.param].why_not():
        pytest.skip(reason)
    return request.param


@pytest.mark.parametrize("time", [1, 2, 16, 100, 257])
def test_outputs_and_gradients(impl, time):
    function = with_gradients(impl)
    for is_signed in (False, True):
        assert_right(function, impl, arguments(time=time, channels=70 if time == 16 else 5, is_signed=is_signed))


@settings(max_examples=15)
@given(sizes=st.tuples(st.integers(1, 3), st.integers(1, 80), st.integers(1, 150)), seed=st.integers(0, 99))
def test_any_shape(sizes, seed):
    if reason := IMPLEMENTATIONS["cpu"].why_not():
        pytest.skip(reason)
    assert_right(with_gradients("cpu"), "cpu", arguments(*sizes, seed))


def test_tiny_decays_and_none_at_all(impl):
    x, log_decay, sign, state = arguments(time=40)
    log_decay[:, 3::7] = np.log(1e-6)
    assert_right(with_gradients(impl), impl, (x, log_decay, sign, state))
    log_decay[:, 20] = -np.inf
    out, final_state = signed_scan(*map(Tensor, (x, log_decay, sign, state)), impl=impl)
    true = reference.signed_scan(x[:, 20:], np.where(np.isinf(log_decay), 0, log_decay)[:, 20:], sign[:, 20:])
    assert np.allclose(out.asnumpy()[:, 20:], true[0], atol=1e-5) and np.allclose(final_state.asnumpy(), true[1], atol=1e-5)


def test_split_with_the_state_carried_on_and_defaults(impl):
    x, log_decay, *_ = map(Tensor, arguments(time=30))
    out, final_state = signed_scan(x, log_decay, impl=impl)
    first, middle = signed_scan(x[:, :11], log_decay[:, :11], impl=impl)
    second, last = signed_scan(x[:, 11:], log_decay[:, 11:], None, middle, impl=impl)
    joined = np.concatenate([first.asnumpy(), second.asnumpy()], 1)
    assert np.allclose(joined, out.asnumpy(), atol=1e-5) and np.allclose(last.asnumpy(), final_state.asnumpy(), atol=1e-5)
    assert np.allclose(out.asnumpy(), reference.signed_scan(x.asnumpy(), log_decay.asnumpy())[0], atol=1e-5)


def test_the_reference_by_central_differences():
    rng = np.random.default_rng(2)
    given_arguments = [array.astype(np.float64) for array in arguments(time=9)]
    d_out, d_state = rng.normal(size=given_arguments[0].shape), rng.normal(size=given_arguments[3].shape)
    gradients = reference.signed_scan_backward(d_out, d_state, *given_arguments)

    def loss(changed):
        out, state = reference.signed_scan(*changed)
        return (out * d_out).sum() + (state * d_state).sum()

    for place, gradient in zip((0, 1, 3), gradients, strict=True):
        direction = rng.normal(size=gradient.shape)
        shifts = [1e-5 * direction if index == place else 0 for index in range(4)]
        above = loss([array + shift for array, shift in zip(given_arguments, shifts, strict=True)])
        below = loss([array - shift for array, shift in zip(given_arguments, shifts, strict=True)])
        assert np.isclose((above - below) / 2e-5, (gradient * direction).sum(), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("x", np.ones((2, 5)), r"x: expected shape \(B, T, D\) without empty axes, got \(2, 5\)"),
        ("log_decay", np.zeros((2, 16, 5)), r"log_decay: expected shape \(B, T, D\) = \(2, 17, 5\), got \(2, 16, 5\)"),
        ("log_decay", np.ones((2, 17, 5)), r"log_decay: expected values of 0 or less, got 1 at \(0, 0, 0\)"),
        ("sign", np.zeros((2, 17, 5)), r"sign: expected values of 1 or -1, got 0 at"),
        ("initial_state", np.ones((2, 17, 5)), r"initial_state: expected shape \(B, D\) = \(2, 5\)"),
    ],
)
def test_arguments_that_do_not_fit(name, value, message):
    given_arguments = dict(zip(NAMES, arguments(), strict=True)) | {name: value.astype(np.float32)}
    with pytest.raises(ValueError, match=message):
        signed_scan(*map(Tensor, given_arguments.values()))


def test_half_precision():
    x, *rest = arguments(time=50)
    out, final_state = signed_scan(Tensor(x.astype(np.float16)), *map(Tensor, rest))
    assert out.dtype == ms.float16 and final_state.dtype == ms.float32
    assert np.allclose(out.asnumpy(), reference.signed_scan(x, *rest)[0], rtol=2e-3, atol=2e-3)
