"""A bank of slots: a matrix S of N slots, read by keys and written by the gated delta rule.

    read   x = S^T k
    write  S <- a (I - beta k k^T) S + beta k v^T

With unit keys and beta = 1 a write erases what the key read before and puts v in its place; keys that are orthogonal
do not touch each other's slots. The rule is that of ops/gated_delta_rule/reference.py (Schlag et al. 2021, "Linear
Transformers Are Secretly Fast Weight Programmers"; decay: Yang et al. 2025, "Gated Delta Networks"; beta up to 2:
Grazzi et al. 2025), split into a part for all statements at once and a short sequential part.

Shapes: B batch, R reads, N slots, V value width.
"""

from __future__ import annotations

from mindspore import ops


def unit_keys(weights):
    """Non-negative weights over slots (..., N), scaled to length 1."""
    return weights * ops.rsqrt((weights * weights).sum(-1, keepdims=True) + 1e-12)


def read(slots_BNV, keys_BRN):
    """What the keys address, (B, R, V)."""
    return ops.bmm(keys_BRN, slots_BNV)


def write_operands(keys_BN, beta_B1, decay_B1, erase: bool = True):
    """What a write needs besides the slots and the value: a (I - beta k k^T), (B, N, N), and beta k, (B, N, 1).

    Without `erase` the write only adds: a I stands in place of the matrix.
    """
    scaled_BN1 = (beta_B1 * keys_BN).expand_dims(2)
    kept_NN = ops.eye(keys_BN.shape[1], keys_BN.shape[1], keys_BN.dtype)
    if erase:
        kept_NN = kept_NN - ops.bmm(scaled_BN1, keys_BN.expand_dims(1))
    return decay_B1.expand_dims(2) * kept_NN, scaled_BN1


def write(slots_BNV, erase_BNN, scaled_BN1, value_BV):
    """The slots after the write."""
    return ops.bmm(erase_BNN, slots_BNV) + ops.bmm(scaled_BN1, value_BV.expand_dims(1))
