// Products of small matrices that lie in cache. Rows are contiguous and all sizes are multiples of 16.
#pragma once

#include "vector.h"

namespace {

constexpr int TILE = 16;
constexpr int ROWS = W == 16 ? 8 : 4;  // rows of the part of a result that stays in registers; it is 2 W columns wide

template <typename Number>
struct MatrixOf {
  Number* data;
  int stride;  // numbers from row to row

  Number* row(int i) const { return data + int64_t(i) * stride; }
  MatrixOf at(int i, int j) const { return {row(i) + j, stride}; }
};
using Matrix = MatrixOf<float>;

// The end of the tile that row or column i lies in.
inline int tile_end(int i) { return i / TILE * TILE + TILE; }

enum class Left { as_is, transposed };
enum class Result { replaced, added, subtracted };
enum class Triangle { none, lower_left, lower_result };  // what is zero, or not wanted, above its diagonal

// R rows and N vectors of columns of `to` get the sum over k in [begin, end) of left(i, k) * right(k, j).
template <Left how, Result keep, int R, int N, typename Number>
inline void block_product(MatrixOf<Number> left, MatrixOf<Number> right, MatrixOf<Number> to, int begin, int end) {
  using Vector = VectorOf<Number>;
  constexpr int LANES = 4 * W / sizeof(Number);
  Vector sums[R][N];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < N; ++j) sums[i][j] = keep == Result::replaced ? Vector{} : load(to.row(i) + j * LANES);
  for (int k = begin; k < end; ++k) {
    Vector rights[N];
#pragma GCC unroll 2
    for (int j = 0; j < N; ++j) rights[j] = load(right.row(k) + j * LANES);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const Number factor = how == Left::transposed ? left.row(k)[i] : left.row(i)[k];
#pragma GCC unroll 2
      for (int j = 0; j < N; ++j) {
        if (keep == Result::subtracted) sums[i][j] -= factor * rights[j];
        else sums[i][j] += factor * rights[j];
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < N; ++j) store(to.row(i) + j * LANES, sums[i][j]);
}

// to (rows, columns) gets left (rows, depth) times right (depth, columns), or left^T times right where left is (depth, rows).
template <Left how = Left::as_is, Result keep = Result::replaced, Triangle triangle = Triangle::none, typename Number>
inline void product(
    MatrixOf<Number> left, MatrixOf<Number> right, MatrixOf<Number> to, int rows, int depth, int columns) {
  constexpr int LANES = 4 * W / sizeof(Number);
  for (int i = 0; i < rows; i += ROWS) {
    const MatrixOf<Number> left_rows = how == Left::transposed ? left.at(0, i) : left.at(i, 0);
    const bool is_lower = triangle == Triangle::lower_left;
    const int begin = is_lower && how == Left::transposed ? i : 0;
    const int end = is_lower && how == Left::as_is ? i + ROWS : depth;
    const int width = triangle == Triangle::lower_result ? tile_end(i) : columns;
    int j = 0;
    for (; j + 2 * LANES <= width; j += 2 * LANES)
      block_product<how, keep, ROWS, 2>(left_rows, right.at(0, j), to.at(i, j), begin, end);
    for (; j < width; j += LANES)
      block_product<how, keep, ROWS, 1>(left_rows, right.at(0, j), to.at(i, j), begin, end);
  }
}

inline void transpose(Matrix from, Matrix to, int rows, int columns) {
  for (int i = 0; i < rows; i += W)
    for (int j = 0; j < columns; j += W) transpose_tile(from.row(i) + j, from.stride, to.row(j) + i, to.stride);
}

}  // namespace
