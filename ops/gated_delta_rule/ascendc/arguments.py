"""What surrounds the Ascend C kernels: small arrays of decays that they take, and sums that become gradients. In MindSpore.

Inside a chunk the kernels know no signs: those are in v and in what comes out, both times the product of the signs since the
chunk's first token. The sign of a whole chunk is in the factors `whole` and `until`.

Shapes: B batch, T time, H heads, K key width, V value width, C tokens a chunk, M chunks, N = B H sequences, T' = M C.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.ops.gated_delta_rule.chunked import MIN_LOG_DECAY, running_product, running_sum, sum_before, sum_from
from sfm_ms.ops.gated_delta_rule.layout import split

LEAST_BETA = 1e-30  # its logarithm is finite
MASKED = 8192.0  # as in op_kernel/problem.h


class Decays(nn.Cell):
    """(beta, log_decay, sign (B, T, H)) -> what the kernels read beside q, k, v and states, in their order:

    row_exponents and column_exponents (N, M, C, 16), factors (N, M, 5, C), whole (N, M, 1), minus_identity and mask
    (C / 16, C, 16); for the gradient also unweighted_exponents (N, M, C, 16) and minus_beta (N, M, C).
    And the signs, (B, T', H, 1).
    """

    def __init__(self, chunk_size: int):
        super().__init__()
        self.chunk_size = chunk_size
        self.minus_identity, self.mask = Tensor(minus_identity(chunk_size)), Tensor(mask(chunk_size))

    def construct(self, beta, log_decay, sign):
        num_batch, _, num_heads = beta.shape
        sum_NMC = running_sum(self.by_chunks(ops.maximum(log_decay, MIN_LOG_DECAY)), 2)
        sign_NMC = running_product(1 + self.by_chunks(sign - 1), 2)
        beta_NMC, since_NMC = self.by_chunks(beta), ops.exp(sum_NMC)
        last_NM1, last_sign_NM1 = sum_NMC[:, :, -1:], sign_NMC[:, :, -1:]
        until_NMC = last_sign_NM1 * ops.exp(last_NM1 - sum_NMC)
        whole_NM1 = last_sign_NM1 * ops.exp(last_NM1)
        factors = (-since_NMC, until_NMC * beta_NMC, since_NMC, until_NMC, beta_NMC)
        arrays = (
            of_rows(sum_NMC),
            of_columns(ops.log(ops.maximum(beta_NMC, LEAST_BETA)) - sum_NMC),
            ops.stack(factors, 2).astype(mstype.float16),
            whole_NM1,
            self.minus_identity,
            self.mask,
            of_columns(-sum_NMC),
            -beta_NMC,
        )
        return arrays, sign_NMC.reshape(num_batch, num_heads, -1, 1).swapaxes(1, 2)

    def by_chunks(self, x_BTH):
        num_batch, _, num_heads = x_BTH.shape
        return split(x_BTH, self.chunk_size).reshape(num_batch * num_heads, -1, self.chunk_size)


class Gradients(nn.Cell):
    """(sums (N, M, 5 C + V), minus_beta (N, M, C), whole (N, M, 1)) -> gradients of beta and log_decay, (N, M, C) each.

    `sums` is what op_kernel/gradient_pass.h says. log a_t is a summand of every exponent that spans it: of those from the
    chunk's beginning to tokens from t on, from tokens before t to the chunk's end, of pairs around it, and of the whole chunk.
    """

    def construct(self, sums, minus_beta_NMC, whole_NM1):
        chunk_size = minus_beta_NMC.shape[2]
        value_dim = sums.shape[2] - 5 * chunk_size
        sizes = [chunk_size, chunk_size, chunk_size, value_dim, chunk_size, chunk_size]
        asked, read, kept, states, pairs, minus_scores = ops.split(sums, sizes, 2)
        of_whole_NM1 = whole_NM1 * states.sum(2, keepdims=True)
        d_log_decay = pairs + sum_from(asked + read, 2) + sum_before(-minus_beta_NMC * kept, 2) + of_whole_NM1
        return kept - minus_scores, d_log_decay


def by_columns(matrix: np.ndarray) -> np.ndarray:
    """The Cube's order: 16 columns after 16 columns."""
    return np.stack(np.split(matrix, matrix.shape[1] // 16, 1))


def minus_identity(size: int) -> np.ndarray:
    return by_columns(-np.eye(size, dtype=np.float16))


def mask(size: int) -> np.ndarray:
    """MASKED above the diagonal."""
    return by_columns(MASKED * np.triu(np.ones((size, size)), 1)).astype(np.float16)


def of_rows(x):
    """x_i (..., C) fp32 -> (..., C, 16) fp16, whose products with those of `of_columns` are x_i + y_j."""
    ones = ops.ones((*x.shape, 3), mstype.float16)
    return filled_to_16(in_halves(x), ones)


def of_columns(y):
    ones = ops.ones((*y.shape, 3), mstype.float16)
    return filled_to_16(ones, in_halves(y))


def filled_to_16(*parts):
    nothing = ops.zeros((*parts[0].shape[:-1], 16 - 2 * 3), mstype.float16)
    return ops.concat((*parts, nothing), -1)


def in_halves(x):
    """fp32 -> three fp16, on a new last axis, whose sum is as precise."""
    high = x.astype(mstype.float16)
    rest = x - high.astype(mstype.float32)
    middle = rest.astype(mstype.float16)
    low = (rest - middle.astype(mstype.float32)).astype(mstype.float16)
    return ops.stack((high, middle, low), -1)


def filled_up(x, chunk_size):
    """(B, T, ...) -> (B, T', ...), with zeros after the last step."""
    missing = -x.shape[1] % chunk_size
    return x if missing == 0 else ops.concat((x, ops.zeros((x.shape[0], missing, *x.shape[2:]), x.dtype)), 1)


def by_tokens(x_NMC, shape):
    """(N, M, C) -> `shape`, which is (B, T, H)."""
    num_batch, num_steps, num_heads = shape
    return x_NMC.reshape(num_batch, num_heads, -1).swapaxes(1, 2)[:, :num_steps]
