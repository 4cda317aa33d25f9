// Solves (I + A diag(b)) X = R and (I + A^T diag(b)) X = R, for A strictly lower triangular; what else A holds is not looked at.
// X takes the place of R, and diag(b) X, which substitution goes on with, comes out as well.
#pragma once

#include "gemm.h"

namespace {

// The rows of one tile are held in registers, and each that is done is taken out of the others.
template <Left how, typename Number>
inline void solve_tile(MatrixOf<Number> a, const float* b, MatrixOf<Number> x, MatrixOf<Number> bx, int columns) {
  for (int j = 0; j < columns; j += 4 * W / sizeof(Number)) {
    VectorOf<Number> rows[TILE];
#pragma GCC unroll 16
    for (int i = 0; i < TILE; ++i) rows[i] = load(x.row(i) + j);
#pragma GCC unroll 16
    for (int step = 0; step < TILE; ++step) {
      const int k = how == Left::as_is ? step : TILE - 1 - step;
      const VectorOf<Number> done = Number(b[k]) * rows[k];
      store(bx.row(k) + j, done);
      if (how == Left::as_is) {
#pragma GCC unroll 16
        for (int i = k + 1; i < TILE; ++i) rows[i] -= a.row(i)[k] * done;
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < k; ++i) rows[i] -= a.row(k)[i] * done;
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < TILE; ++i) store(x.row(i) + j, rows[i]);
  }
}

template <typename Number>
inline void solve(MatrixOf<Number> a, const float* b, MatrixOf<Number> x, MatrixOf<Number> bx, int size, int columns) {
  for (int i = 0; i < size; i += TILE) {
    product<Left::as_is, Result::subtracted>(a.at(i, 0), bx, x.at(i, 0), TILE, i, columns);
    solve_tile<Left::as_is>(a.at(i, i), b + i, x.at(i, 0), bx.at(i, 0), columns);
  }
}

template <typename Number>
inline void solve_transposed(
    MatrixOf<Number> a, const float* b, MatrixOf<Number> x, MatrixOf<Number> bx, int size, int columns) {
  for (int i = size - TILE; i >= 0; i -= TILE) {
    const int next = i + TILE;
    product<Left::transposed, Result::subtracted>(a.at(next, i), bx.at(next, 0), x.at(i, 0), TILE, size - next, columns);
    solve_tile<Left::transposed>(a.at(i, i), b + i, x.at(i, 0), bx.at(i, 0), columns);
  }
}

}  // namespace
