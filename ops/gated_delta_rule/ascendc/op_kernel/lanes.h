// Inverses of 64 unit lower triangular 16 x 16 tiles at once, one tile a lane, by forward substitution in fp32.
//
// With N = -A, T = (I + A)^-1 has the rows T_i = e_i + sum over j < i of N_ij T_j. Step j adds N_ij T_j to all rows i > j;
// as T_jj = 1, what it adds in column j is N_ij, which already stands there. So N turns into T in place.
//
// Element (i, j) of all tiles is one repeat of 64 numbers: number 16 i + j of the array.

#pragma once

#include "kernel_operator.h"
#include "tiling.h"

namespace sfm {

using namespace AscendC;

constexpr uint8_t ELEMENT = LANES * sizeof(float) / 32;  // stride from (i, j) to (i, j + 1), in blocks of 32 bytes
constexpr uint8_t ROW = TILE * ELEMENT;                  // ... to (i + 1, j)

__aicore__ inline LocalTensor<float> Element(const LocalTensor<float>& lanes, int32_t i, int32_t j)
{
    return lanes[(TILE * i + j) * LANES];
}

// terms = N_ij T_jc for i > j, c < j, then their sum into T_ic. Repeats run along the longer of rows and columns.
__aicore__ inline void AddMultiplesOfRow(const LocalTensor<float>& lanes, const LocalTensor<float>& terms, int32_t j)
{
    const int32_t num_rows = TILE - 1 - j, num_columns = j;
    if (num_rows >= num_columns) {
        for (int32_t c = 0; c < num_columns; ++c) {
            Mul(terms[c * num_rows * LANES], Element(lanes, j + 1, j), Element(lanes, j, c), LANES, num_rows,
                {1, 1, 1, ELEMENT, ROW, 0});
        }
        PipeBarrier<PIPE_V>();
        for (int32_t c = 0; c < num_columns; ++c) {
            Add(Element(lanes, j + 1, c), Element(lanes, j + 1, c), terms[c * num_rows * LANES], LANES, num_rows,
                {1, 1, 1, ROW, ROW, ELEMENT});
        }
    } else {
        for (int32_t i = j + 1; i < TILE; ++i) {
            Mul(terms[(i - j - 1) * num_columns * LANES], Element(lanes, j, 0), Element(lanes, i, j), LANES, num_columns,
                {1, 1, 1, ELEMENT, ELEMENT, 0});
        }
        PipeBarrier<PIPE_V>();
        for (int32_t i = j + 1; i < TILE; ++i) {
            Add(Element(lanes, i, 0), Element(lanes, i, 0), terms[(i - j - 1) * num_columns * LANES], LANES, num_columns,
                {1, 1, 1, ELEMENT, ELEMENT, ELEMENT});
        }
    }
    PipeBarrier<PIPE_V>();
}

constexpr int32_t MOST_TERMS = 7 * 8;  // of a step, (TILE - 1 - j) * j

// lanes (16, 16, 64): N below the diagonal, zeros above it -> T. terms: room for MOST_TERMS * LANES numbers.
__aicore__ inline void InvertLanes(const LocalTensor<float>& lanes, const LocalTensor<float>& terms)
{
    for (int32_t j = 1; j < TILE - 1; ++j) {
        AddMultiplesOfRow(lanes, terms, j);
    }
    Duplicate(lanes, 1.0F, LANES, TILE, 1, ROW + ELEMENT);
    PipeBarrier<PIPE_V>();
}

// Swaps the order of `tiles` (16 G rows of 256 halves, row by row) and `lanes` (256 rows of 64, of which columns 16 G.. are
// written), 16 x 16 numbers an instruction.
__aicore__ inline void TilesToLanes(const LocalTensor<half>& lanes, const LocalTensor<half>& tiles, int32_t group)
{
    LocalTensor<half> to[TILE], from[TILE];
    for (int32_t r = 0; r < TILE; ++r) {
        from[r] = tiles[(TILE * group + r) * TILE_SIZE];
        to[r] = lanes[r * LANES + TILE * group];
    }
    TransDataTo5HD<half>(to, from, {false, false, TILE, TILE * LANES * sizeof(half) / 32, TILE * sizeof(half) / 32});
}

__aicore__ inline void LanesToTiles(const LocalTensor<half>& tiles, const LocalTensor<half>& lanes, int32_t group)
{
    LocalTensor<half> to[TILE], from[TILE];
    for (int32_t r = 0; r < TILE; ++r) {
        from[r] = lanes[r * LANES + TILE * group];
        to[r] = tiles[(TILE * group + r) * TILE_SIZE];
    }
    TransDataTo5HD<half>(to, from, {false, false, TILE, TILE * sizeof(half) / 32, TILE * LANES * sizeof(half) / 32});
}

}  // namespace sfm
