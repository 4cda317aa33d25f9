"""The gated delta rule over chunks of C tokens, in MindSpore primitives and graph mode, with its gradient written by hand.

Inside a chunk with the incoming state S, in matrix form (README.md derives it and its gradient):

    Gamma_ij = a_{j+1} ... a_i for i >= j,  since_i = a_1 ... a_i,  until_j = a_{j+1} ... a_C,  whole = a_1 ... a_C
    A = strictly_lower(diag(beta) K K^T * Gamma)            P = scale * lower(Q K^T * Gamma)
    X = (I + A)^-1 diag(beta) (V - diag(since) K S)         what the tokens write
    O = scale * diag(since) Q S + P X                       S' = whole * S + (diag(until) K)^T X

X is linear in S, so a chunk takes the state to F S + N. The states between the chunks come from a scan over the pairs
(F, N) (../affine_scan.py), so the graph has no loop; nothing grows, as F is a product of factors of norm 1 at most.

Shapes: B batch, T time, H heads, K key width, V value width, C tokens a chunk, G = B H, M chunks of all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from mindspore import Tensor, nn, ops

from sfm_ms.ops.affine_scan import affine_scan, identity
from sfm_ms.ops.gated_delta_rule.inverse import UnitLowerInverse
from sfm_ms.ops.gated_delta_rule.layout import join, split

MIN_LOG_DECAY = -25.0  # e^-25 is nothing beside fp32's rounding, and cumulative sums of it keep their precision

running_sum, sum_before, sum_from = ops.CumSum(), ops.CumSum(exclusive=True), ops.CumSum(reverse=True)
running_product = ops.CumProd()
product, product_tn, product_nt = ops.BatchMatMul(), ops.BatchMatMul(transpose_a=True), ops.BatchMatMul(transpose_b=True)


class ChunkKernels(NamedTuple):
    """The parts of a chunk's work that AKG has kernels for as well (akg.py)."""

    gram: nn.Cell  # left, right (M, C, K), weights (M, C, C) -> left right^T * weights
    inverse: nn.Cell  # A (M, C, C), strictly lower triangular -> (I + A)^-1
    read: nn.Cell  # queries (M, C, K), states (M, K, V), P (M, C, C), X (M, C, V) -> queries states + P X


class Gram(nn.Cell):
    def construct(self, left_MCK, right_MCK, weights_MCC):
        return product_nt(left_MCK, right_MCK) * weights_MCC


class Read(nn.Cell):
    def construct(self, queries_MCK, states_MKV, p_MCC, x_MCV):
        return product(queries_MCK, states_MKV) + product(p_MCC, x_MCV)


class ChunkedGatedDeltaRule(nn.Cell):
    """(q, k (B, T, H, K), v (B, T, H, V), beta, log_decay, sign (B, T, H), state (B, H, K, V), scale (1,)), all fp32

    -> (out (B, T, H, V), final state (B, H, K, V)).
    """

    def __init__(self, chunk_size: int, kernels: ChunkKernels | None = None):
        super().__init__()
        kernels = kernels or ChunkKernels(Gram(), UnitLowerInverse(chunk_size), Read())
        chunks = Chunks(chunk_size)
        self.forward, self.with_gradient = Forward(chunks, kernels), WithGradient(chunks, kernels)

    def construct(self, q, k, v, beta, log_decay, sign, initial_state, scale):
        arguments = (q, k, v, beta, log_decay, sign, initial_state)
        constants = tuple(ops.stop_gradient(argument) for argument in arguments)
        outputs = self.forward(*constants, scale)
        return self.with_gradient(*arguments, scale, *outputs)


class Chunks(nn.Cell):
    """The arguments by chunks, the last two as the products of decays: gamma, since, until and whole."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size
        ones = np.ones((size, size), np.float32)
        self.lower, self.strictly_lower = Tensor(np.tril(ones)), Tensor(np.tril(ones, -1))

    def construct(self, q, k, v, beta, log_decay, sign):
        q_MCK, k_MCK, v_MCV = split(q, self.size), split(k, self.size), split(v, self.size)
        log_decay_MC1 = split(ops.maximum(log_decay, MIN_LOG_DECAY), self.size)
        sign_MC1 = 1 + split(sign - 1, self.size)  # 1 where the last chunk is filled up
        return q_MCK, k_MCK, v_MCV, split(beta, self.size), self.decays(log_decay_MC1, sign_MC1)

    def decays(self, log_decay_MC1, sign_MC1):
        """Gamma (M, C, C), and since (M, C, 1), until (M, C, 1) and whole (M, 1, 1).

        Exponents are masked before exp, as those above the diagonal may overflow. Signs are running products: that of
        a_{j+1} ... a_i is the product of the running signs at i and j.
        """
        sum_MC1, sign_MC1 = running_sum(log_decay_MC1, 1), running_product(sign_MC1, 1)
        exponent_MCC = (sum_MC1 - sum_MC1.swapaxes(1, 2)) * self.lower
        gamma_MCC = ops.exp(exponent_MCC) * (sign_MC1 * sign_MC1.swapaxes(1, 2)) * self.lower
        since_MC1 = sign_MC1 * ops.exp(sum_MC1)
        return gamma_MCC, since_MC1, gamma_MCC[:, -1:].swapaxes(1, 2), since_MC1[:, -1:]


class Forward(nn.Cell):
    """The same, with (I + A)^-1 (M, C, C) as a third output."""

    def __init__(self, chunks, kernels):
        super().__init__()
        self.chunks, self.gram, self.inverse, self.read = chunks, *kernels

    def construct(self, q, k, v, beta, log_decay, sign, initial_state, scale):
        q_MCK, k_MCK, v_MCV, beta_MC1, decays = self.chunks(q, k, v, beta, log_decay, sign)
        gamma_MCC, since_MC1, _, _ = decays
        inverse_MCC = self.inverse(self.gram(k_MCK, k_MCK, beta_MC1 * gamma_MCC * self.chunks.strictly_lower))
        _, x_MCV, states_MKV, final_GKV = run(k_MCK, v_MCV, beta_MC1, decays, inverse_MCC, rows(initial_state))
        p_MCC = self.gram(q_MCK, k_MCK, scale * gamma_MCC)
        out_MCV = self.read(scale * since_MC1 * q_MCK, states_MKV, p_MCC, x_MCV)
        return join(out_MCV, v.shape), final_GKV.reshape(initial_state.shape), inverse_MCC


class WithGradient(nn.Cell):
    """Passes on the outputs of Forward and gives them their gradient.

    It is apart from Forward because MindSpore compiles no control flow in the `construct` of a Cell that has a `bprop`.
    """

    def __init__(self, chunks, kernels):
        super().__init__()
        self.chunks, self.gram = chunks, kernels.gram

    def construct(self, q, k, v, beta, log_decay, sign, initial_state, scale, out, final_state, inverse_MCC):
        return out, final_state

    def bprop(self, q, k, v, beta, log_decay, sign, initial_state, scale, out, final_state, inverse_MCC, outputs, d_outputs):
        q_MCK, k_MCK, v_MCV, beta_MC1, decays = self.chunks(q, k, v, beta, log_decay, sign)
        gamma_MCC, since_MC1, until_MC1, whole_M11 = decays
        d_out_MCV, d_final_GKV = split(d_outputs[0], self.chunks.size), rows(d_outputs[1])
        w_MCK, x_MCV, states_MKV, _ = run(k_MCK, v_MCV, beta_MC1, decays, inverse_MCC, rows(initial_state))
        kk_MCC, p_MCC = self.gram(k_MCK, k_MCK, gamma_MCC), self.gram(q_MCK, k_MCK, scale * gamma_MCC)

        # Back through the states: d_ends are the gradients with respect to S', the one way in which chunks are linked.
        d_x_of_out_MCV = product_tn(p_MCC, d_out_MCV)
        d_states_of_out_MKV = product_tn(scale * since_MC1 * q_MCK, d_out_MCV) - product_tn(w_MCK, d_x_of_out_MCV)
        kept_MCK = until_MC1 * k_MCK
        back_MKK = transition(whole_M11, w_MCK, kept_MCK)
        d_ends_MKV, d_initial_GKV = affine_scan(back_MKK, d_states_of_out_MKV, d_final_GKV, product, identity(k.shape[3]), True)

        # Inside the chunks. Y is the gradient with respect to (I + A) X.
        y_MCV = product_tn(inverse_MCC, d_x_of_out_MCV + product(kept_MCK, d_ends_MKV))
        d_a_MCC = -product_nt(y_MCV, x_MCV) * self.chunks.strictly_lower
        d_p_MCC = product_nt(d_out_MCV, x_MCV) * self.chunks.lower
        d_q_reads_MCK = scale * since_MC1 * product_nt(d_out_MCV, states_MKV)
        d_k_reads_MCK = -beta_MC1 * since_MC1 * product_nt(y_MCV, states_MKV)
        d_k_kept_MCK = until_MC1 * product_nt(x_MCV, d_ends_MKV)
        d_qk_MCC, d_kk_MCC = scale * d_p_MCC * gamma_MCC, beta_MC1 * d_a_MCC * gamma_MCC
        d_q_MCK = d_q_reads_MCK + product(d_qk_MCC, k_MCK)
        d_k_MCK = d_k_reads_MCK + d_k_kept_MCK + product_tn(d_qk_MCC, q_MCK)
        d_k_MCK = d_k_MCK + product(d_kk_MCC, k_MCK) + product_tn(d_kk_MCC, k_MCK)
        errors_MCV = v_MCV - since_MC1 * product(k_MCK, states_MKV)
        d_beta_MC1 = total(y_MCV * errors_MCV) + total(d_a_MCC * kk_MCC)
        d_log_decay_MC1 = decay_gradient(
            d_p_MCC * p_MCC + d_a_MCC * beta_MC1 * kk_MCC,
            total(d_q_reads_MCK * q_MCK) + total(d_k_reads_MCK * k_MCK),
            total(d_k_kept_MCK * k_MCK),
            total(whole_M11 * d_ends_MKV * states_MKV).sum(1, keepdims=True),
            self.chunks.lower,
        )
        return (
            join(d_q_MCK, q.shape),
            join(d_k_MCK, k.shape),
            join(beta_MC1 * y_MCV, v.shape),
            join(d_beta_MC1, beta.shape),
            join(d_log_decay_MC1, log_decay.shape),
            ops.zeros_like(sign),
            d_initial_GKV.reshape(initial_state.shape),
            ops.zeros_like(scale),
            ops.zeros_like(out),
            ops.zeros_like(final_state),
            ops.zeros_like(inverse_MCC),
        )


def run(k_MCK, v_MCV, beta_MC1, decays, inverse_MCC, state_GKV):
    """W (M, C, K) and X = U - W S (M, C, V), what the tokens write; states before each chunk (M, K, V) and after the last."""
    _, since_MC1, until_MC1, whole_M11 = decays
    w_MCK = product(inverse_MCC, beta_MC1 * since_MC1 * k_MCK)
    u_MCV = product(inverse_MCC, beta_MC1 * v_MCV)
    kept_MCK = until_MC1 * k_MCK
    states_MKV, final_GKV = affine_scan(
        transition(whole_M11, kept_MCK, w_MCK), product_tn(kept_MCK, u_MCV), state_GKV, product, identity(k_MCK.shape[2])
    )
    return w_MCK, u_MCV - product(w_MCK, states_MKV), states_MKV, final_GKV


def transition(whole_M11, left_MCK, right_MCK):
    """F = whole * I - left^T right, (M, K, K)."""
    return whole_M11 * identity(left_MCK.shape[2]) - product_tn(left_MCK, right_MCK)


def rows(state):
    """(B, H, K, V) -> (G, K, V)."""
    return state.reshape(-1, *state.shape[2:])


def total(x):
    """The sum over the last axis, which stays."""
    return x.sum(-1, keepdims=True)


def decay_gradient(pairs_MCC, since_MC1, until_MC1, whole_M11, lower):
    """The gradient with respect to log a_t: the sum over all products of decays that contain a_t of gradient x product.

    The arguments hold gradient x product for Gamma, since, until and whole. Every summand contains a_t, so nothing
    cancels however small a_t is.
    """
    of_pairs_MC1 = total((sum_before(pairs_MCC, 2) * lower).swapaxes(1, 2))  # over j < t and i >= t
    return of_pairs_MC1 + sum_from(since_MC1, 1) + sum_before(until_MC1, 1) + whole_M11
