"""How likely a model's own answer is right, and the loss that teaches it.

    logit = silu([rms_norm(x), features] W + b) w + c
    loss  = sum of weight * (softplus(logit) - is_right * logit) / sum of weight

The loss is the cross-entropy of sigmoid(logit), without the logarithm of a number near 0. What x and the answer were made by
learns from it only where the caller lets gradients through.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.linear import Linear
from sfm_ms.nn.norm import RmsNorm
from sfm_ms.nn.softplus import softplus


class VerificationHead(nn.Cell):
    """(x (..., dim), features (..., num_features)) -> logit (...,) of the chance that the answer is right.

    Features are numbers about the answer, about -10 to 10: its log-probability, its margin, the entropy.
    """

    def __init__(self, dim: int, num_features: int, rng: np.random.Generator):
        super().__init__()
        if num_features < 1:
            raise ValueError(f"features of a verification head: expected at least 1, got {num_features}")
        self.norm = RmsNorm(dim)
        self.hidden, self.output = Linear(dim + num_features, dim, rng), Linear(dim, 1, rng)

    def construct(self, x, features):
        hidden = self.hidden(ops.concat((self.norm(x), features), -1))
        return self.output(hidden * ops.sigmoid(hidden)).squeeze(-1)


def verification_loss(logits, is_right, weights):
    """Mean cross-entropy in nats, weighted by how much each place counts (0 or more); 0 where none does. All (...,)."""
    total = (weights * cross_entropy(logits, is_right)).sum()
    return total / ops.maximum(weights.sum(), 1e-6)


def cross_entropy(logits, is_right):
    """Of each sigmoid(logit) with what is right, 0 or 1, in nats."""
    return softplus(logits) - is_right * logits
