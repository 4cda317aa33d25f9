"""Weighted negative log-likelihood of the asked values.

Shapes: B programs, T statements, Q questions a program, C numbers.
"""

from __future__ import annotations

from mindspore import ops


def weighted_nll(log_probabilities_BTQC, labels_BTQ, weights_BTQ):
    """Mean over programs of the weighted sum over statements and questions; a sum, so segments add up."""
    picked_BTQ1 = ops.gather_elements(log_probabilities_BTQC, 3, labels_BTQ.expand_dims(3))
    return -(picked_BTQ1.squeeze(3) * weights_BTQ).sum() / labels_BTQ.shape[0]
