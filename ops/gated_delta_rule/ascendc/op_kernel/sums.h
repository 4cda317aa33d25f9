// Sums of the numbers in fractals, by adding halves of the rows.

#pragma once

#include "matrix.h"
#include "vector.h"

namespace sfm {

// x[0 .. count) += x[count .. 2 count), in so many blocks, `stride` numbers / 8 apart.
__aicore__ inline void AddHalf(const LocalTensor<float>& x, int32_t count, int32_t num_blocks, uint8_t stride)
{
    for (int32_t start = 0; start < count; start += FLOATS) {
        const int32_t part = count < FLOATS ? count : FLOATS;
        Add(x[start], x[start], x[count + start], part, num_blocks, {1, 1, 1, stride, stride, stride});
    }
    Settle();
}

// The sum of all `num_rows` rows into the first, in so many blocks of 16 columns.
__aicore__ inline void SumRows(const LocalTensor<float>& x, int32_t num_rows, int32_t num_blocks)
{
    for (int32_t rows = num_rows / 2; rows > 0; rows /= 2) {
        AddHalf(x, rows * FRACTAL, num_blocks, num_rows * FRACTAL / BLOCK_FLOATS);
    }
}

// The diagonal of every 16 x 16 tile into its first row.
__aicore__ inline void SumDiagonals(const LocalTensor<float>& tiles, const LocalTensor<float>& identity, int32_t num_tiles)
{
    constexpr uint8_t stride = FRACTAL_SIZE / BLOCK_FLOATS;
    for (int32_t start = 0; start < FRACTAL_SIZE; start += FLOATS) {
        Mul(tiles[start], tiles[start], identity[start], FLOATS, num_tiles, {1, 1, 1, stride, stride, 0});
    }
    Settle();
    SumRows(tiles, FRACTAL, num_tiles);
}

}  // namespace sfm
