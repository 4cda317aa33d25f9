"""Cross-entropy of a language model's head that makes the logits of one part of the vocabulary at a time, backward too.

Shapes: N tokens, D width, Y tokens in the vocabulary, V of these at a time.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.nn.spread import beside

LOWEST = -1e30  # below every logit, in float32


class ChunkedCrossEntropy(nn.Cell):
    """(x (N, D), head (Y, D), targets (N,) int32, weights (N,)) -> sum of weights * nll (), nll (N,): float32, in nats.

    nll_n = log sum_y exp(x_n . head_y) - x_n . head_target. Some (N, `chunk_size`) numbers in float32 are in memory beside the
    arguments and the gradients, however large the vocabulary; the backward pass makes the logits anew. Products are made in
    `dtype`, all else in float32. The vocabulary is what is cut, not the tokens, because the gradient of the head then comes
    in rows that are finished, each of one product over all tokens, instead of in whole matrices to add up.
    With `head_learns=False` the head has no gradient and none is computed. Raises ValueError for a chunk of less than 1.
    """

    def __init__(self, chunk_size: int = 8192, dtype=mstype.float32, head_learns: bool = True):
        super().__init__()
        if chunk_size < 1:
            raise ValueError(f"chunk_size: expected at least 1 token of the vocabulary, got {chunk_size}")
        self.nll = ChunkedNll(chunk_size, dtype, head_learns)

    def construct(self, x_ND, head_YD, targets_N, weights_N):
        nll_N = self.of_tokens(x_ND, head_YD, targets_N)
        return (nll_N * weights_N).sum(), nll_N

    def of_tokens(self, x_ND, head_YD, targets_N):
        """The nll alone."""
        head_YD = head_YD.reshape(head_YD.shape)  # of a Parameter a plain tensor: a Cell with a `bprop` cannot take the former
        return self.nll(x_ND, head_YD, targets_N)[0]


class ChunkedNll(nn.Cell):
    """(x, head, targets) -> nll, log of the sum of exponentials, which is for the backward pass and has no gradient."""

    def __init__(self, chunk_size: int, dtype, head_learns: bool):
        super().__init__()
        self.chunk_size, self.dtype, self.head_learns = chunk_size, dtype, head_learns
        self.product, self.product_transposed_b = ops.MatMul(), ops.MatMul(transpose_b=True)
        self.product_transposed_a = ops.MatMul(transpose_a=True)
        self.one_hot, self.one, self.zero = ops.OneHot(), Tensor(1, mstype.float32), Tensor(0, mstype.float32)

    def construct(self, x_ND, head_YD, targets_N):
        x = x_ND.astype(self.dtype)
        zeros_N = ops.zeros(targets_N.shape, mstype.float32)
        highest_N, sum_N, of_target_N = zeros_N + LOWEST, zeros_N, zeros_N
        for start in range(0, head_YD.shape[0], self.chunk_size):
            _, logits_NV, is_target_NV = self.chunk(x, head_YD, targets_N, start)
            before_N, highest_N = highest_N, ops.maximum(highest_N, logits_NV.max(-1))
            sum_N = sum_N * ops.exp(before_N - highest_N) + ops.exp(logits_NV - beside(highest_N, logits_NV.shape[1])).sum(-1)
            of_target_N = of_target_N + (logits_NV * is_target_NV).sum(-1)
            x = ops.depend(x, (sum_N, of_target_N))  # one chunk after the other, or all of them may be made first
        log_sum_N = highest_N + ops.log1p(sum_N - 1)  # at least 1; why not log: nn/softplus.py
        return log_sum_N - of_target_N, log_sum_N

    def bprop(self, x_ND, head_YD, targets_N, out, dout):
        (_, log_sum_N), (gradient_N, _) = out, dout
        x = ops.depend(x_ND.astype(self.dtype), gradient_N)  # else the compiler keeps the forward pass's logits for here
        of_x, of_head = ops.zeros(x_ND.shape, mstype.float32), ()
        for start in range(0, head_YD.shape[0], self.chunk_size):
            head_VD, logits_NV, is_target_NV = self.chunk(x, head_YD, targets_N, start)
            of_logits_NV = ops.exp(logits_NV - beside(log_sum_N, logits_NV.shape[1])) - is_target_NV
            of_logits_NV = (of_logits_NV * beside(gradient_N, logits_NV.shape[1])).astype(self.dtype)
            of_x = of_x + self.product(of_logits_NV, head_VD).astype(mstype.float32)
            x = ops.depend(x, of_x)
            if self.head_learns:
                of_head = (*of_head, self.product_transposed_a(of_logits_NV, x).astype(head_YD.dtype))
                x = ops.depend(x, of_head[-1])
        of_head = ops.concat(of_head) if self.head_learns else ops.zeros_like(head_YD)
        return of_x.astype(x_ND.dtype), of_head, ops.zeros_like(targets_N)

    def chunk(self, x, head_YD, targets_N, start):
        """Rows of the head from `start` on (V, D), their logits, and 1 where they are a token's target, (N, V) float32."""
        num_rows = self.chunk_size if start + self.chunk_size <= head_YD.shape[0] else head_YD.shape[0] - start
        head_YD, targets_N = ops.depend(head_YD, x), ops.depend(targets_N, x)  # each part when its turn has come
        head_VD = ops.slice(head_YD, (start, 0), (num_rows, head_YD.shape[1])).astype(self.dtype)
        is_target_NV = self.one_hot(targets_N - start, num_rows, self.one, self.zero)  # of a place outside, a row of zeros
        return head_VD, self.product_transposed_b(x, head_VD).astype(mstype.float32), is_target_NV
