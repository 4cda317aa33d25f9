// Factors of a chunk's scores, (C, C) as NZ: eight rows of eight columns a repeat, as a column's factor is the same for all rows.

#pragma once

#include "matrix.h"
#include "vector.h"

namespace sfm {

// Where a column begins in an NZ matrix of so many rows.
__aicore__ inline int32_t Column(int32_t column, int32_t num_rows)
{
    return column / FRACTAL * FRACTAL * num_rows + column % FRACTAL;
}

// gamma_ij = exp(G_i - G_j) on and below the diagonal, 0 above it. G comes as a row, and as blocks of eight equal numbers.
__aicore__ inline void Decays(const LocalTensor<float>& gamma, const LocalTensor<float>& sum_blocks,
                              const LocalTensor<float>& sum, const LocalTensor<float>& mask, int32_t chunk)
{
    for (int32_t column = 0; column < chunk; column += BLOCK_FLOATS) {
        Sub(gamma[Column(column, chunk)], sum_blocks, sum[column], FLOATS, chunk / BLOCK_FLOATS, {2, 1, 0, 16, 8, 0});
    }
    Settle();
    Add(gamma, gamma, mask, chunk * chunk);  // before exp, which would overflow above the diagonal
    Settle();
    Exp(gamma, gamma, chunk * chunk);
    Settle();
}

// x_ij *= factors_j.
__aicore__ inline void MultiplyColumns(const LocalTensor<float>& x, const LocalTensor<float>& factors, int32_t chunk)
{
    for (int32_t column = 0; column < chunk; column += BLOCK_FLOATS) {
        const LocalTensor<float> part = x[Column(column, chunk)];
        Mul(part, part, factors[column], FLOATS, chunk / BLOCK_FLOATS, {2, 2, 0, 16, 16, 0});
    }
}

}  // namespace sfm
