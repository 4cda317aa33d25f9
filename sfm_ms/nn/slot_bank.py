"""A bank of slots: a matrix S of N slots, read by keys and written by the gated delta rule.

    read   x = S^T k
    write  S <- a (I - beta k k^T) S + beta k v^T

With unit keys and beta = 1 a write erases what the key read before and puts v in its place; keys that are orthogonal
do not touch each other's slots. The rule is that of ops/gated_delta_rule/reference.py (Schlag et al. 2021, "Linear
Transformers Are Secretly Fast Weight Programmers"; decay: Yang et al. 2025, "Gated Delta Networks"; beta up to 2:
Grazzi et al. 2025).

Shapes: B batch, R reads, N slots, V value width.
"""

from __future__ import annotations

from mindspore import ops


def unit_keys(weights):
    """Weights over slots (..., N), scaled to length 1."""
    return weights * ops.rsqrt((weights * weights).sum(-1, keepdims=True) + 1e-12)


def read(slots_BNV, keys_BRN):
    """What the keys address, (B, R, V)."""
    return ops.bmm(keys_BRN, slots_BNV)


def write(slots_BNV, key_BN, beta_B1, value_BV, decay_B1=None, erase: bool = True):
    """The slots after the write: with S decayed, S + beta k (v - S^T k)^T, which is the rule above.

    Without `erase` the write only adds, S + beta k v^T.
    """
    if decay_B1 is not None:
        slots_BNV = decay_B1.expand_dims(2) * slots_BNV
    change_B1V = value_BV.expand_dims(1)
    if erase:
        change_B1V = change_B1V - ops.bmm(key_BN.expand_dims(1), slots_BNV)
    return slots_BNV + ops.bmm((beta_B1 * key_BN).expand_dims(2), change_B1V)
