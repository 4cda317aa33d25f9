"""Numbers repeated beside others, without products that broadcast.

The gradient of a weight that is broadcast is a sum over all rows, which takes MindSpore's CPU several times as long as that of a
product with ones: in the short convolutions a sixth of Perception's time went into it. And MindSpore's CPU keeps a table of 16
bytes for each result of a sum or product that broadcasts.

Shapes: D numbers.
"""

from __future__ import annotations

from mindspore import ops

from sfm_ms.nn.linear import product

TILE = ops.Tile()  # what a `bprop` calls is made before it is compiled


def spread(weight_D, x):
    """The weight for each row of x (..., D), in the shape of x."""
    return product(ops.ones((*x.shape[:-1], 1), x.dtype), weight_D.expand_dims(0))


def beside(array, size):
    """(..., size): each number of the array `size` times."""
    return TILE(array.expand_dims(-1), (1,) * len(array.shape) + (size,))
