"""Sequences of heads cut into chunks, and back.

Shapes: B batch, T time, H heads, D width, C tokens a chunk, M chunks of all heads and rows of the batch, those of one
sequence next to each other.
"""

from __future__ import annotations

from mindspore import ops

from sfm_ms.ops.slices import first


def split(x, chunk_size):
    """(B, T, H, D) or (B, T, H) -> (M, C, D), the last chunk of each sequence filled up with zeros; without D it is 1."""
    x_BTHD = x if x.ndim == 4 else x.expand_dims(-1)
    num_batch, num_steps, num_heads, dim = x_BTHD.shape
    x_BHTD = x_BTHD.swapaxes(1, 2)
    missing = -num_steps % chunk_size
    if missing > 0:
        x_BHTD = ops.concat((x_BHTD, ops.zeros((num_batch, num_heads, missing, dim), x.dtype)), 2)
    return x_BHTD.reshape(-1, chunk_size, dim)


def join(x_MCD, shape):
    """(M, C, D) -> `shape`, which is (B, T, H, D) or (B, T, H)."""
    num_batch, num_steps, num_heads = shape[:3]
    x_GTD = first(x_MCD.reshape(num_batch * num_heads, -1, x_MCD.shape[2]), num_steps)
    return x_GTD.reshape(num_batch, num_heads, num_steps, -1).swapaxes(1, 2).reshape(shape)
