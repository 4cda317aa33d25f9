// Row by row: into cache and back, and the simple things between products.
#pragma once

#include <string.h>

#include "gemm.h"

namespace {

inline int filled(int64_t size) { return static_cast<int>((size + TILE - 1) / TILE * TILE); }

// `count` rows that lie `stride` floats apart; the matrix's other rows become zero.
inline void load_rows(const float* from, int64_t stride, int count, int width, Matrix to, int rows) {
  for (int i = 0; i < count; ++i) memcpy(to.row(i), from + i * stride, 4 * width);
  for (int i = count; i < rows; ++i) memset(to.row(i), 0, 4 * width);
}

inline void store_rows(Matrix from, float* to, int64_t stride, int count, int width) {
  for (int i = 0; i < count; ++i) memcpy(to + i * stride, from.row(i), 4 * width);
}

inline void load_column(const float* from, int64_t stride, int count, float* to, int size, float rest) {
  for (int i = 0; i < size; ++i) to[i] = i < count ? from[i * stride] : rest;
}

inline void scale(Matrix x, float factor, int rows, int columns) {
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) x.row(i)[j] *= factor;
}

// Row i of `to` becomes factor * factors[i] times row i of `from`.
inline void scale_rows(Matrix from, const float* factors, float factor, Matrix to, int rows, int columns) {
  for (int i = 0; i < rows; ++i) {
    const float of_row = factor * factors[i];
    for (int j = 0; j < columns; ++j) to.row(i)[j] = of_row * from.row(i)[j];
  }
}

template <typename From, typename To>
inline void convert(MatrixOf<From> from, MatrixOf<To> to, int rows, int columns) {
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) to.row(i)[j] = static_cast<To>(from.row(i)[j]);
}

template <typename Number>
inline void clear_diagonal(MatrixOf<Number> x, int size) {
  for (int i = 0; i < size; ++i) x.row(i)[i] = 0;
}

template <typename Number>
inline Number dot(const Number* x, const Number* y, int size) {
  VectorOf<Number> total{};
  for (int j = 0; j < size; j += 4 * W / sizeof(Number)) total += load(x + j) * load(y + j);
  return sum<Number>(total);
}

}  // namespace
