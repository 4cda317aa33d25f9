// Factors of a chunk's scores, (C, C) as NZ: exponents from the Cube, and columns by vectors.

#pragma once

#include "arena.h"
#include "matrix.h"
#include "vector.h"

namespace sfm {

// What the exponents of a chunk are made of, in L1. Numbers lie there as three halves, which together are as precise as fp32.
struct Exponents {
    LocalTensor<half> rows, columns;  // (C, 16)

    __aicore__ inline void Init(int32_t chunk, Arena<TPosition::A1>& l1)
    {
        rows = l1.Take<half>(chunk * FRACTAL);
        columns = l1.Take<half>(chunk * FRACTAL);
    }

    __aicore__ inline void Load(const GlobalTensor<half>& all_rows, const GlobalTensor<half>& all_columns, int64_t first_token,
                                int32_t chunk) const
    {
        if (HasCube()) {
            DataCopy(rows, all_rows[first_token * FRACTAL], chunk * FRACTAL);
            DataCopy(columns, all_columns[first_token * FRACTAL], chunk * FRACTAL);
        }
    }

    // result = rows columns^T, (C, C) in L0C, less MASKED above the diagonal, so that exp of it is 0 there.
    __aicore__ inline void Multiply(Cube& cube, const LocalTensor<float>& result, const Matrix& mask) const
    {
        cube.Multiply(result, Matrix(rows, mask.rows, FRACTAL), Transposed(Matrix(columns, mask.rows, FRACTAL)));
        cube.Subtract(result, mask);
    }
};

// x_ij *= factors_j: eight rows of eight columns a repeat, as a column's factor is the same for all rows.
__aicore__ inline void MultiplyColumns(const LocalTensor<float>& x, const LocalTensor<float>& factors, int32_t chunk)
{
    for (int32_t column = 0; column < chunk; column += BLOCK_FLOATS) {
        const LocalTensor<float> part = x[column / FRACTAL * FRACTAL * chunk + column % FRACTAL];
        Mul(part, part, factors[column], FLOATS, chunk / BLOCK_FLOATS, {2, 2, 0, 16, 16, 0});
    }
}

}  // namespace sfm
