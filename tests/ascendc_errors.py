"""How far impl="ascendc" is from the float64 reference; tests import it, on the simulator and on a device."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from sfm_ms.ops.gated_delta_rule import GatedDeltaRule
from sfm_ms.ops.gated_delta_rule import reference as rule
from sfm_ms.ops.signed_scan import SignedScan
from sfm_ms.ops.signed_scan import reference as scan


class Loss(nn.Cell):
    """A sum over both results of an operator, and the results."""

    def __init__(self, operator: nn.Cell):
        super().__init__()
        self.operator = operator

    def construct(self, *arguments):
        out, final_state = self.operator(*arguments[:-2])
        return (out.astype(ms.float32) * arguments[-2]).sum() + (final_state * arguments[-1]).sum(), out, final_state


def results(operator: nn.Cell, given, weights) -> list[Tensor]:
    """Outputs, and gradients of all arguments but the sign, which is the last but one."""
    places = (*range(len(given) - 2), len(given) - 1)
    (_, *outputs), gradients = ms.value_and_grad(Loss(operator), places, has_aux=True)(*map(Tensor, (*given, *weights)))
    return [*outputs, *gradients]


def weights_of(given, rng, values: int) -> list[np.ndarray]:
    """Gradients of both results, of which the first is as `values` among the arguments, and the second as the state."""
    shapes = [given[values].shape, given[-1].shape]
    return [rng.normal(size=shape).astype(np.float16).astype(np.float32) for shape in shapes]


def errors(got: list[Tensor], true, names) -> dict[str, float]:
    """Relative errors of norms; asserts that shapes are the same."""
    assert [x.shape for x in got] == [x.shape for x in true]
    found = [np.linalg.norm(x.asnumpy() - y) / np.linalg.norm(y) for x, y in zip(got, true, strict=True)]
    return dict(zip(("out", "final_state", *names), found, strict=True))


def unit_keys(shape, alike, rng) -> np.ndarray:
    """Rows of length 1, `alike` being the share of one direction."""
    shared, own = rng.normal(size=shape[-1]), rng.normal(size=shape)
    shared /= np.linalg.norm(shared)
    k = alike * shared + np.sqrt(1 - alike**2) * own / np.sqrt(shape[-1])
    return k / np.linalg.norm(k, axis=-1, keepdims=True)


def rule_arguments(num_batch, time, num_heads, key_dim, value_dim, seed=0) -> list[np.ndarray]:
    """q, k, v in fp16, beta, log_decay, sign, initial_state in fp32."""
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(2, num_batch, time, num_heads, key_dim))
    k /= np.linalg.norm(k, axis=-1, keepdims=True)
    v, scalars = rng.normal(size=(num_batch, time, num_heads, value_dim)), k.shape[:3]
    state = rng.normal(size=(num_batch, num_heads, key_dim, value_dim))
    others = (rng.uniform(0, 2, scalars), -rng.uniform(0, 0.2, scalars), rng.choice([-1, 1], scalars), state)
    return [x.astype(np.float16) for x in (q, k, v)] + [x.astype(np.float32) for x in others]


def rule_errors(sizes, chunk_size, scale=None) -> dict[str, float]:
    """`sizes` are those of rule_arguments."""
    given = rule_arguments(*sizes)
    weights = weights_of(given, np.random.default_rng(1), 2)
    got = results(GatedDeltaRule(scale=scale, chunk_size=chunk_size, impl="ascendc"), given, weights)
    assert [x.dtype for x in got] == [ms.float16, ms.float32, *[ms.float16] * 3, *[ms.float32] * 3]
    exact = [x.astype(np.float64) for x in given]
    true = rule.gated_delta_rule(*exact, scale=scale), rule.gated_delta_rule_backward(*weights, *exact, scale=scale)
    return errors(got, [*true[0], *true[1]], rule.Gradients._fields)


def scan_errors(shape, dtype) -> dict[str, float]:
    """x, of the shape (B, T, D), has the type `dtype`; decays, signs and states have fp32."""
    rng = np.random.default_rng(0)
    others = (-rng.exponential(size=shape), rng.choice([-1, 1], shape), rng.normal(size=(shape[0], shape[2])))
    given = [rng.normal(size=shape).astype(dtype), *(x.astype(np.float32) for x in others)]
    weights = weights_of(given, rng, 0)
    exact = [x.astype(np.float64) for x in given]
    true = [*scan.signed_scan(*exact), *scan.signed_scan_backward(*weights, *exact)]
    return errors(results(SignedScan(impl="ascendc"), given, weights), true, scan.Gradients._fields)
