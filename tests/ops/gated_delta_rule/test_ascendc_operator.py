"""The gated delta rule with impl="ascendc", on a CPU: its kernels' launches are replaced by the simulator's."""

from __future__ import annotations

import numpy as np
import pytest
from ascendc_errors import rule_arguments, rule_errors
from mindspore import Tensor, ops

from sfm_ms.ops import ascendc_sim, dispatch, gated_delta_rule
from sfm_ms.ops.gated_delta_rule import IMPLEMENTATIONS, GatedDeltaRule, reference
from sfm_ms.ops.gated_delta_rule.ascendc import kernels, simulated
from sfm_ms.ops.gated_delta_rule.ascendc.rule import AscendcRule


def launch_forward(q, k, v, rows, columns, factors, whole, minus_identity, mask, state):
    given = [q, k, v, rows, columns, factors, whole, minus_identity, mask, state]
    return tuple(simulated.forward(given).outputs[-3:])


def launch_backward(q, k, v, rows, columns, factors, whole, minus_identity, mask, unweighted, beta, states, d_out, d_state):
    decays = [rows, columns, factors, whole, minus_identity, mask, unweighted, beta]
    return tuple(simulated.backward([q, k, v, *decays, states, d_out, d_state]).outputs[-5:])


def simulated_rule(chunk_size: int) -> AscendcRule:
    launches = (kernels.forward(), launch_forward), (kernels.backward(), launch_backward)
    return AscendcRule(chunk_size, *(ops.Custom(run, op.out_shape, op.out_dtype, func_type="pyfunc") for op, run in launches))


@pytest.fixture(autouse=True)
def on_the_simulator(monkeypatch):
    if reason := ascendc_sim.why_not():
        pytest.skip(reason)
    monkeypatch.setitem(IMPLEMENTATIONS, "ascendc", dispatch.Implementation(simulated_rule, lambda: ""))


CALLS = [((2, 21, 2, 16, 32), 16, None), ((1, 64, 1, 48, 16), 32, 0.5)]


@pytest.mark.parametrize(("sizes", "chunk_size", "scale"), CALLS, ids=str)
def test_outputs_and_gradients(sizes, chunk_size, scale):
    found = rule_errors(sizes, chunk_size, scale)
    assert all(error <= 2e-3 for error in found.values()), found


@pytest.mark.parametrize(
    ("dtype", "key_dim", "value_dim", "message"),
    [
        (np.float32, 16, 16, r"q, k, v: expected float16 for impl='ascendc', got float32; impl='chunked' takes others"),
        (np.float16, 24, 16, r"q: expected a last axis that is a multiple of 16, up to 128, for impl='ascendc', got 24"),
        (np.float16, 16, 256, r"v: expected a last axis that is a multiple of 16, up to 128, for impl='ascendc', got 256"),
    ],
)
def test_what_the_kernels_do_not_take_is_refused(dtype, key_dim, value_dim, message):
    q, k, v, *others = rule_arguments(1, 2, 1, key_dim, value_dim)
    with pytest.raises(ValueError, match=message):
        GatedDeltaRule(impl="ascendc", chunk_size=16)(*map(Tensor, (*(x.astype(dtype) for x in (q, k, v)), *others)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_auto_takes_the_chunk_form_for_what_the_kernels_do_not(monkeypatch, caplog, dtype):
    implementations = {"ascendc": dispatch.Implementation(simulated_rule, lambda: ""), "chunked": IMPLEMENTATIONS["chunked"]}
    monkeypatch.setattr(gated_delta_rule, "IMPLEMENTATIONS", implementations)
    q, k, v, *others = rule_arguments(1, 2, 1, 16, 16)
    given = [*(x.astype(dtype) for x in (q, k, v)), *others]
    dispatch.warn_once.cache_clear()
    operator = GatedDeltaRule(chunk_size=16)
    assert operator.is_half
    out, _ = operator(*map(Tensor, given))
    true, _ = reference.gated_delta_rule(*(x.astype(np.float64) for x in given))
    error = np.linalg.norm(out.asnumpy() - true) / np.linalg.norm(true)
    assert error < 1e-5 if dtype == np.float32 else 1e-5 < error < 2e-3
    message = "gated_delta_rule runs as 'chunked' (q, k, v: expected float16 for impl='ascendc', got float32)"
    assert (message in caplog.messages) == (dtype == np.float32)
