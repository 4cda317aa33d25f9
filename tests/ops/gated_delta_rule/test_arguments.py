"""What the gated delta rule refuses, and how it says so."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from sfm_ms.ops.gated_delta_rule import NAMES, GatedDeltaRule, gated_delta_rule


def call(impl="chunked", **changes):
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(2, 2, 7, 3, 16))
    v, state = rng.normal(size=(2, 7, 3, 8)), rng.normal(size=(2, 3, 16, 8))
    beta, log_decay, sign = np.ones((2, 7, 3)), np.zeros((2, 7, 3)), np.ones((2, 7, 3))
    arguments = dict(zip(NAMES, (q, k, v, beta, log_decay, sign, state), strict=True))
    arguments = {name: array.astype(np.float32) for name, array in arguments.items()} | changes
    return gated_delta_rule(*map(Tensor, arguments.values()), impl=impl)


def ones(*shape):
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("q", ones(7, 3, 16), r"q: expected shape \(B, T, H, K\) without empty axes, got \(7, 3, 16\)"),
        ("q", ones(2, 0, 3, 16), r"q: .* without empty axes, got \(2, 0, 3, 16\)"),
        ("k", ones(2, 6, 3, 16), r"k: expected shape \(B, T, H, K\) = \(2, 7, 3, 16\), got \(2, 6, 3, 16\)"),
        ("v", ones(2, 7, 4, 8), r"v: expected shape \(B, T, H, V\) = \(2, 7, 3, 8\), got \(2, 7, 4, 8\)"),
        ("v", ones(2, 7, 24), r"v: expected shape \(B, T, H, V\)"),
        ("beta", ones(2, 7, 1), r"beta: expected shape \(B, T, H\) = \(2, 7, 3\), got \(2, 7, 1\)"),
        ("beta", 2.5 * ones(2, 7, 3), r"beta: expected values in \[0, 2\], got 2.5 at \(0, 0, 0\), the first of 42 such"),
        ("log_decay", np.eye(7, 3, dtype=np.float32)[None].repeat(2, 0), r"log_decay: expected values of 0 or less, got 1 at"),
        ("sign", 0.5 * ones(2, 7, 3), r"sign: expected values of 1 or -1, got 0.5 at \(0, 0, 0\)"),
        ("initial_state", ones(2, 3, 8, 16), r"initial_state: expected shape \(B, H, K, V\) = \(2, 3, 16, 8\)"),
        ("q", np.ones((2, 7, 3, 16)), r"q: expected float32 or float16, got float64"),
        ("k", np.ones((2, 7, 3, 16), np.float16), r"k: expected float32, got float16"),
        ("sign", np.ones((2, 7, 3), np.int32), r"sign: expected float32 or float16, got int32"),
    ],
)
def test_arguments_that_do_not_fit(name, value, message):
    with pytest.raises(ValueError, match=message):
        call(**{name: value})


def test_options_that_do_not_exist():
    with pytest.raises(ValueError, match=r"chunk_size of gated_delta_rule: expected one of \(16, 32, 64\), got 8"):
        GatedDeltaRule(chunk_size=8)
    with pytest.raises(ValueError, match=r"impl of gated_delta_rule: .* got 'chunk'; did you mean chunked\?"):
        GatedDeltaRule(impl="chunk")


def test_not_a_number_is_named_where_the_switch_is_on(monkeypatch):
    v = ones(2, 7, 3, 8)
    v[1, 2, 0, 4] = np.nan
    out, _ = call(v=v)
    assert np.isnan(out.asnumpy()).any()
    monkeypatch.setenv("SFM_OPS_DEBUG", "1")
    with pytest.raises(ValueError, match=r"v: expected finite values \(SFM_OPS_DEBUG is set\), got nan at \(1, 2, 0, 4\)"):
        call(v=v)
    with pytest.raises(ValueError, match=r"out: expected finite values"):
        call(v=3e38 * ones(2, 7, 3, 8), q=1e4 * ones(2, 7, 3, 16))


def test_shapes_are_checked_in_graphs_too():
    class Net(nn.Cell):
        def __init__(self):
            super().__init__()
            self.rule = GatedDeltaRule(impl="chunked")

        def construct(self, q, beta):
            return self.rule(q, q, q, beta)[0]

    with pytest.raises(ValueError, match=r"beta: expected shape \(B, T, H\) = \(1, 5, 2\), got \(1, 4, 2\)"):
        Net()(Tensor(ones(1, 5, 2, 8)), Tensor(ones(1, 4, 2)))
    assert Net()(Tensor(ones(1, 5, 2, 8)), Tensor(ones(1, 5, 2))).dtype == ms.float32
