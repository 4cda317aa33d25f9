"""A few hypotheses side by side, of which the least trusted gives way to a new one; all of it soft.

    confidence_m = w . silu(hypothesis_m W + candidate U + place_m)
    replace      = softmax(-confidence / temperature)
    hypothesis_m <- hypothesis_m + gate * replace_m (candidate - hypothesis_m)
    primary      = sum over m of softmax(confidence / temperature)_m hypothesis_m        confidences after the change

Confidence is judged from what a hypothesis says beside what was just seen, so trust may move without a change. The places
tell hypotheses apart that are equal, as all are before the first statement.

Shapes: B rows, M hypotheses, E width of each.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.init import normal, table
from sfm_ms.nn.linear import product


class HypothesisRegister(nn.Cell):
    """(hypotheses (B, M, E), candidate (B, E), gate (B, 1) in [0, 1]) -> hypotheses, primary (B, E)."""

    def __init__(self, dim: int, num_hypotheses: int, rng: np.random.Generator, temperature: float = 0.5):
        super().__init__()
        if num_hypotheses < 2:
            raise ValueError(f"hypotheses of a register: expected at least 2, got {num_hypotheses}")
        if not temperature > 0:
            raise ValueError(f"temperature of a hypothesis register: expected more than 0, got {temperature}")
        self.num_hypotheses, self.dim, self.temperature = num_hypotheses, dim, temperature
        self.from_hypothesis_EE, self.from_candidate_EE = normal(rng, (dim, dim)), normal(rng, (dim, dim))
        self.place_ME, self.to_confidence_E1 = table(rng, (num_hypotheses, dim), std=1.0), normal(rng, (dim, 1))

    def construct(self, hypotheses_BME, candidate_BE, gate_B1):
        seen_BME = product(candidate_BE, self.from_candidate_EE).expand_dims(1) + self.place_ME
        replace_BM = gate_B1 * ops.softmax(-self.confidence(hypotheses_BME, seen_BME) / self.temperature, -1)
        hypotheses_BME = hypotheses_BME + replace_BM.expand_dims(2) * (candidate_BE.expand_dims(1) - hypotheses_BME)
        trust_BM = ops.softmax(self.confidence(hypotheses_BME, seen_BME) / self.temperature, -1)
        return hypotheses_BME, ops.bmm(trust_BM.expand_dims(1), hypotheses_BME).squeeze(1)

    def confidence(self, hypotheses_BME, seen_BME):
        """(B, M), of any sign; `seen` is what the candidate and the places add."""
        rows = product(hypotheses_BME.reshape(-1, self.dim), self.from_hypothesis_EE) + seen_BME.reshape(-1, self.dim)
        return product(rows * ops.sigmoid(rows), self.to_confidence_E1).reshape(-1, self.num_hypotheses)

    def begin(self, num_rows: int):
        """The hypotheses of `num_rows` registers that hold nothing."""
        return ops.zeros((num_rows, self.num_hypotheses, self.dim))

    def num_products(self) -> int:
        """Multiply-adds of one row's step."""
        of_confidence = self.num_hypotheses * self.dim * (self.dim + 1)
        return self.dim * self.dim + 2 * of_confidence + 2 * self.num_hypotheses * self.dim
