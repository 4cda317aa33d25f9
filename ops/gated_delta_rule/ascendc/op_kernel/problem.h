// The kernels' arguments as tensors in global memory, and where a sequence's tokens lie in them.
//
// Shapes: B batch, T time (a multiple of the chunk), H heads, K key width, V value width, C tokens a chunk, N = B H sequences,
// M = T / C chunks. G_i is the sum of log a from the chunk's first token to token i.

#pragma once

#include "matrix.h"
#include "tiling.h"

namespace sfm {

// Factors of a chunk's rows: -since, until * beta, since, until, beta.
enum Factor { KEYS_READ, KEYS_WRITTEN, QUERIES, UNTIL, BETA, NUM_FACTORS };

constexpr float MASKED = 8192;  // a power of two; exp(-MASKED) is 0, also with decays added

struct Problem {
    Tiling sizes;
    GlobalTensor<half> q, k, v;          // (B, T, H, K), (B, T, H, K), (B, T, H, V)
    GlobalTensor<half> row_exponents;    // (N, T, 16): G_i as three halves, three ones, zeros
    GlobalTensor<half> column_exponents; // (N, T, 16): three ones, log beta_i - G_i as three halves, zeros
    GlobalTensor<half> factors;          // (N, M, 5, C), as Factor lists them
    GlobalTensor<float> whole;           // (N, M): the product of a chunk's decays
    GlobalTensor<half> minus_identity;   // (C, C) as NZ: -1 on the diagonal
    GlobalTensor<half> mask;             // (C, C) as NZ: 0 on and below the diagonal, MASKED above it
    GlobalTensor<float> state;           // (B, H, K, V)
    GlobalTensor<half> states;           // (N, M, K, V) as NZ: S before every chunk, which the gradient needs

    __aicore__ inline int32_t NumTokens() const { return sizes.num_chunks * sizes.chunk; }

    // The first number of a token of a sequence in q, k, v or out, whose last axis is `dim` long.
    __aicore__ inline int64_t Row(int32_t sequence, int32_t token, int32_t dim) const
    {
        const int64_t batch = sequence / sizes.num_heads, head = sequence % sizes.num_heads;
        return ((batch * NumTokens() + token) * sizes.num_heads + head) * dim;
    }

    __aicore__ inline int64_t Chunk(int32_t sequence, int32_t chunk) const
    {
        return static_cast<int64_t>(sequence) * sizes.num_chunks + chunk;
    }
};

struct ForwardProblem : Problem {
    GlobalTensor<half> out;           // (B, T, H, V)
    GlobalTensor<float> final_state;  // (B, H, K, V)
};

struct GradientProblem : Problem {
    GlobalTensor<half> d_out;           // (B, T, H, V)
    GlobalTensor<float> d_final_state;  // (B, H, K, V)
    GlobalTensor<half> unweighted_exponents;  // (N, T, 16): three ones, -G_i as three halves, zeros
    GlobalTensor<float> minus_beta;     // (N, T)
    GlobalTensor<half> d_q, d_k, d_v;   // (B, T, H, K), (B, T, H, K), (B, T, H, V)
    GlobalTensor<float> d_state;        // (B, H, K, V)
    GlobalTensor<float> sums;           // (N, M, 5 C + V): what the gradients of beta and of the decays are made of
};

template <typename T>
__aicore__ inline void Set(GlobalTensor<T>& tensor, GM_ADDR address)
{
    tensor.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(address));
}

// A chunk's rows of q, k or v as an NZ matrix in L1. Tokens of a head lie num_heads * dim numbers apart.
__aicore__ inline void LoadRows(const LocalTensor<half>& matrix, const GlobalTensor<half>& rows, const Tiling& sizes, int32_t dim)
{
    if (!HasCube()) {
        return;
    }
    const uint16_t gap = (sizes.num_heads * dim - FRACTAL) * sizeof(half) / BLOCK;
    for (int32_t column = 0; column < dim; column += FRACTAL) {
        DataCopy(matrix[column * sizes.chunk], rows[column], DataCopyParams(sizes.chunk, 1, gap, 0));
    }
}

}  // namespace sfm
