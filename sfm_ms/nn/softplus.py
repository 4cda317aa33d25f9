"""softplus(x) = log(1 + exp(x)), from primitives that give the same bits in every call.

MindSpore's Softplus and Log on a CPU cut their work among threads differently in the first calls than later, and round the ends
of a cut otherwise than its middle; then a run that was taken up again is not the run that was left alone. Log1p does not.
"""

from mindspore import ops


def softplus(x):
    """Elementwise, any shape; exact gradient, also at 0."""
    size = ops.abs(x)
    return 0.5 * (x + size) + ops.log1p(ops.exp(-size))
