"""Of each text the vectors of some of its tokens.

Shapes: B rows, T tokens, N places in a row, X width.
"""

from __future__ import annotations

from mindspore import dtype as mstype
from mindspore import ops


def tokens_at(array_BTX, places_BN):
    """(B, N, X): of each row of the batch the vectors at its places, int32."""
    num_rows, num_tokens, size = array_BTX.shape
    starts_B1 = num_tokens * ops.arange(num_rows).astype(mstype.int32).expand_dims(1)
    return ops.gather(array_BTX.reshape(num_rows * num_tokens, size), starts_B1 + places_BN, 0)
