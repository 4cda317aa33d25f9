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


def write_operands(keys_BN, beta_B1, erase: bool = True):
    """What a write needs besides the slots and the value: what it erases along, (B, 1, N), and beta k, (B, N, 1).

    Without `erase` the write only adds.
    """
    erase_BN = keys_BN if erase else ops.zeros_like(keys_BN)
    return erase_BN.expand_dims(1), (beta_B1 * keys_BN).expand_dims(2)


def write(slots_BNV, erase_B1N, scaled_BN1, value_BV, decay_B1=None):
    """The slots after the write: with S decayed, S + beta k (v - S^T k)^T, which is the rule above."""
    if decay_B1 is not None:
        slots_BNV = decay_B1.expand_dims(2) * slots_BNV
    change_B1V = value_BV.expand_dims(1) - ops.bmm(erase_B1N, slots_BNV)
    return slots_BNV + ops.bmm(scaled_BN1, change_B1V)
