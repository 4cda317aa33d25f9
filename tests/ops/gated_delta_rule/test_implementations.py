"""Every implementation of the gated delta rule against the float64 reference: outputs and all gradients."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import mindspore as ms
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor, nn

from sfm_ms.ops.gated_delta_rule import IMPLEMENTATIONS, GatedDeltaRule, gated_delta_rule, reference

TOLERANCE = {"cpu": 1e-5, "chunked": 5e-5, "akg": 5e-5, "reference": 1e-6}
COMPARED = [name for name in TOLERANCE if name != "reference"]  # ascendc: test_ascendc_operator.py and tests/npu
TIMES = (1, 15, 16, 17, 63, 100, 257)
CHUNKS = (16, 32, 64)
WIDTHS = ((16, 48), (64, 32), (128, 64), (16, 16))


class Case(NamedTuple):
    """What is drawn for a call; every combination holds in one compiled graph, as their shapes are the same."""

    is_signed: bool
    is_gated: bool
    largest_beta: float
    has_equal_keys: bool = False


CASES = [Case(signed, gated, beta) for signed in (False, True) for gated in (False, True) for beta in (1.0, 2.0)]
CASES += [Case(False, False, 2.0, has_equal_keys=True), Case(True, True, 2.0, has_equal_keys=True)]


def arguments(case: Case, time: int, key_dim: int, value_dim: int, num_batch=2, num_heads=2, seed=0):
    """q, k, v, beta, log_decay, sign, initial_state in fp32."""
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(2, num_batch, time, num_heads, key_dim))
    if case.has_equal_keys:
        k[:] = k[:, :1]
    k /= np.linalg.norm(k, axis=-1, keepdims=True)
    scalars = (num_batch, time, num_heads)
    beta = np.full(scalars, 2.0) if case.has_equal_keys else rng.uniform(0, case.largest_beta, scalars)
    log_decay = -rng.uniform(0, 0.2, scalars) * case.is_gated
    sign = np.where(case.is_signed & (rng.random(scalars) < 0.5), -1.0, 1.0)
    v = rng.normal(size=(num_batch, time, num_heads, value_dim))
    state = rng.normal(size=(num_batch, num_heads, key_dim, value_dim))
    return [array.astype(np.float32) for array in (q, k, v, beta, log_decay, sign, state)]


def weights_of(v, state, seed=1):
    """What a loss multiplies `out` and `final_state` by."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=v.shape).astype(np.float32), rng.normal(size=state.shape).astype(np.float32)


class Loss(nn.Cell):
    def __init__(self, **options):
        super().__init__()
        self.rule = GatedDeltaRule(**options)

    def construct(self, q, k, v, beta, log_decay, sign, state, weights_out, weights_state):
        out, final_state = self.rule(q, k, v, beta, log_decay, sign, state)
        return (out * weights_out).sum() + (final_state * weights_state).sum(), out, final_state


def with_gradients(**options):
    """(arguments, weights) -> out, final state and the gradients with respect to all but the sign, in NumPy."""
    function = ms.value_and_grad(Loss(**options), (0, 1, 2, 3, 4, 6), has_aux=True)

    def call(arguments, weights):
        (_, *outputs), gradients = function(*map(Tensor, (*arguments, *weights)))
        return [result.asnumpy().astype(np.float64) for result in (*outputs, *gradients)]

    return call


def expected(arguments, weights):
    outputs = reference.gated_delta_rule(*arguments)
    return [*outputs, *reference.gated_delta_rule_backward(*weights, *arguments)]


def relative_error(got, true):
    return np.linalg.norm(got - true) / max(np.linalg.norm(true), 1e-30)


def assert_right(results, arguments, weights, tolerance):
    names = ("out", "final_state", *(f"d_{name}" for name in reference.Gradients._fields))
    for name, got, true in zip(names, results, expected(arguments, weights), strict=True):
        assert got.shape == true.shape and np.isfinite(got).all(), name
        assert relative_error(got, true) <= tolerance, (name, relative_error(got, true))


@pytest.fixture(params=COMPARED)
def impl(request):
    if reason := IMPLEMENTATIONS[request.param].why_not():
        pytest.skip(reason)
    return request.param


def compiled_cases():
    """Every implementation x time x chunk size; of those that take seconds to compile, each time once by default."""
    for name, time, chunk_size in itertools.product(COMPARED, TIMES, CHUNKS):
        is_quick = name == "cpu" or chunk_size == CHUNKS[TIMES.index(time) % len(CHUNKS)]
        yield pytest.param(name, time, chunk_size, marks=() if is_quick else pytest.mark.slow)


@pytest.mark.parametrize(("impl", "time", "chunk_size"), list(compiled_cases()), indirect=["impl"])
def test_outputs_and_gradients(impl, time, chunk_size):
    key_dim, value_dim = WIDTHS[(TIMES.index(time) + CHUNKS.index(chunk_size)) % len(WIDTHS)]
    call = with_gradients(impl=impl, chunk_size=chunk_size)
    for seed, case in enumerate(CASES):
        given_arguments = arguments(case, time, key_dim, value_dim, seed=seed)
        weights = weights_of(given_arguments[2], given_arguments[-1])
        assert_right(call(given_arguments, weights), given_arguments, weights, TOLERANCE[impl])


def test_tiny_decays(impl):
    """The gradient with respect to log a_t to 1e-4 at |a_t| = 1e-6, whatever the other decays are."""
    given_arguments = arguments(Case(True, True, 2.0), 70, 16, 16)
    given_arguments[4][:, 3::7] = np.log(1e-6)
    weights = weights_of(given_arguments[2], given_arguments[-1])
    got, true = with_gradients(impl=impl)(given_arguments, weights)[6], expected(given_arguments, weights)[6]
    assert relative_error(got[:, 3::7], true[:, 3::7]) < 1e-4


def test_a_decay_of_zero_forgets_all_that_was_before(impl):
    q, k, v, beta, log_decay, sign, state = arguments(Case(False, True, 2.0), 40, 16, 16)
    log_decay[:, 25] = -np.inf
    weights = weights_of(v, state)
    weights[0][:, :25] = 0  # the loss sees what comes later only
    results = with_gradients(impl=impl, chunk_size=32)((q, k, v, beta, log_decay, sign, state), weights)
    assert all(np.isfinite(result).all() for result in results)
    later = [array[:, 25:] for array in (q, k, v, beta, np.where(np.isinf(log_decay), 0, log_decay), sign)]
    out, final_state = reference.gated_delta_rule(*later)
    assert relative_error(results[0][:, 25:], out) < TOLERANCE[impl]
    assert relative_error(results[1], final_state) < TOLERANCE[impl]
    assert np.abs(results[7]).max() < 1e-9 * np.abs(state).max()  # no gradient to the initial state


def test_half_precision_in_single_precision_out(impl):
    *sequences, beta, log_decay, sign, state = arguments(Case(True, True, 2.0), 63, 64, 32)
    halves = [array.astype(np.float16) for array in sequences]
    out, final_state = gated_delta_rule(*map(Tensor, (*halves, beta, log_decay, sign, state)), impl=impl)
    true = reference.gated_delta_rule(*halves, beta, log_decay, sign, state)
    assert out.dtype == ms.float16 and final_state.dtype == ms.float32
    assert relative_error(out.asnumpy(), true[0]) < 2e-3 and relative_error(final_state.asnumpy(), true[1]) < 2e-3


@pytest.mark.parametrize("split", [1, 37])
def test_split_anywhere_with_the_state_carried_on(impl, split):
    *sequences, state = arguments(Case(True, True, 2.0), 50, 16, 48)
    rule = GatedDeltaRule(impl=impl, chunk_size=16)
    whole = rule(*map(Tensor, (*sequences, state)))
    first, middle = rule(*(Tensor(array[:, :split]) for array in sequences), Tensor(state))
    second, last = rule(*(Tensor(array[:, split:]) for array in sequences), middle)
    joined = np.concatenate([first.asnumpy(), second.asnumpy()], 1)
    assert relative_error(joined, whole[0].asnumpy()) < TOLERANCE[impl]
    assert relative_error(last.asnumpy(), whole[1].asnumpy()) < TOLERANCE[impl]


def test_what_is_left_out_is_one_or_zero(impl):
    q, k, v, beta, *_ = arguments(Case(False, False, 2.0), 20, 16, 16)
    out, final_state = gated_delta_rule(*map(Tensor, (q, k, v, beta)), None, scale=1.0, impl=impl)
    true = reference.gated_delta_rule(q, k, v, beta, scale=1.0)
    assert relative_error(out.asnumpy(), true[0]) < TOLERANCE[impl]
    assert relative_error(final_state.asnumpy(), true[1]) < TOLERANCE[impl]


def test_a_scale_of_zero_reads_nothing():
    out, final_state = gated_delta_rule(*map(Tensor, arguments(CASES[0], 5, 4, 4)), scale=0.0, impl="reference")
    assert not out.asnumpy().any() and final_state.asnumpy().any()


@settings(max_examples=15)
@given(
    sizes=st.tuples(*(st.integers(least, most) for least, most in ((1, 3), (1, 90), (1, 3), (4, 40), (1, 40)))),
    chunk_size=st.sampled_from(CHUNKS),
    case=st.sampled_from(CASES),
    seed=st.integers(0, 99),
)
def test_any_shape(sizes, chunk_size, case, seed):
    """By the kernels alone, which take no time to compile. Keys of width 1 would leave nothing of the initial state, so that its
    gradient would be what is left of large terms: rounding.
    """
    if reason := IMPLEMENTATIONS["cpu"].why_not():
        pytest.skip(reason)
    num_batch, time, num_heads, key_dim, value_dim = sizes
    given_arguments = arguments(case, time, key_dim, value_dim, num_batch, num_heads, seed)
    weights = weights_of(given_arguments[2], given_arguments[-1])
    results = with_gradients(impl="cpu", chunk_size=chunk_size)(given_arguments, weights)
    assert_right(results, given_arguments, weights, TOLERANCE["cpu"])


@pytest.mark.parametrize("instructions", ["avx2", "portable"])
def test_narrower_instructions(monkeypatch, instructions):
    """What machines without AVX-512 run; this one may have to be told."""
    if reason := IMPLEMENTATIONS["cpu"].why_not():
        pytest.skip(reason)
    case = Case(True, True, 2.0)
    given_arguments = arguments(case, 100, 64, 48)
    weights = weights_of(given_arguments[2], given_arguments[-1])
    call = with_gradients(impl="cpu")
    widest = call(given_arguments, weights)
    monkeypatch.setenv("SFM_OPS_CPU", instructions)
    results = call(given_arguments, weights)
    assert_right(results, given_arguments, weights, TOLERANCE["cpu"])
    if instructions == "portable":  # rounded in another order
        assert not all(map(np.array_equal, results, widest))


def test_the_reference_is_an_implementation():
    given_arguments = arguments(Case(True, True, 2.0), 5, 3, 4)
    weights = weights_of(given_arguments[2], given_arguments[-1])
    assert_right(with_gradients(impl="reference")(given_arguments, weights), given_arguments, weights, TOLERANCE["reference"])


def test_in_pynative_mode(impl):
    given_arguments = arguments(Case(True, True, 2.0), 20, 16, 16)
    weights = weights_of(given_arguments[2], given_arguments[-1])
    ms.set_context(mode=ms.PYNATIVE_MODE)
    try:
        assert_right(with_gradients(impl=impl)(given_arguments, weights), given_arguments, weights, TOLERANCE[impl])
    finally:
        ms.set_context(mode=ms.GRAPH_MODE)
