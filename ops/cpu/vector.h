// Vectors of W floats, or W / 2 doubles, in GCC's own vector types, so that one source serves AVX-512 (W = 16), AVX2 (8)
// and any machine (4).
//
// A file that includes this defines W and, where it is compiled for more than the machine's base, opens with
// `#pragma GCC target`. Everything has internal linkage: two such files must not share a function.
#pragma once

#include <stdint.h>

namespace {

template <typename Number>
struct Register {
  typedef Number type __attribute__((vector_size(4 * W), aligned(alignof(Number)), may_alias));
};
template <typename Number>
using VectorOf = typename Register<Number>::type;
using Vector = VectorOf<float>;
using Integers = VectorOf<int32_t>;

constexpr int ALIGNMENT = 64;

template <typename Number>
inline VectorOf<Number> load(const Number* from) { return *reinterpret_cast<const VectorOf<Number>*>(from); }
template <typename Number>
inline void store(Number* to, VectorOf<Number> x) { *reinterpret_cast<VectorOf<Number>*>(to) = x; }
inline Vector splat(float x) { return x - Vector{}; }

inline Integers lanes() {
  Integers lane;
  for (int i = 0; i < W; ++i) lane[i] = i;
  return lane;
}

template <typename Number>
inline Number sum(VectorOf<Number> x) {
  Number total = 0;
  for (unsigned i = 0; i < 4 * W / sizeof(Number); ++i) total += x[i];
  return total;
}

// e^x for x <= 0 to a relative error of 2e-7, and 0 below -87: 2^n times a polynomial in the rest (Cephes' expf).
inline Vector exp_of_negative(Vector x) {
  const Integers is_zero = x < splat(-87.0f);
  const Integers n = __builtin_convertvector(x * 1.44269504f - 0.5f, Integers);  // rounds to nearest, as x <= 0
  const Vector n_float = __builtin_convertvector(n, Vector);
  const Vector r = (x - n_float * 0.693359375f) + n_float * 2.12194440e-4f;
  Vector p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Integers power = (n + 127) << 23;
  return reinterpret_cast<Vector>(reinterpret_cast<Integers>(p * reinterpret_cast<Vector>(power)) & ~is_zero);
}

// to[j][i] = from[i][j] for W rows and W columns, by log2(W) rounds that each interleave the first half with the second.
inline void transpose_tile(const float* from, int from_stride, float* to, int to_stride) {
  Vector x[W], y[W];
  Integers low, high;
  for (int i = 0; i < W; ++i) {
    low[i] = (i / 2) + (i % 2) * W;
    high[i] = low[i] + W / 2;
  }
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i) x[i] = load(from + i * from_stride);
#pragma GCC unroll 4
  for (int rounds = W; rounds > 1; rounds /= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < W / 2; ++i) {
      y[2 * i] = __builtin_shuffle(x[i], x[i + W / 2], low);
      y[2 * i + 1] = __builtin_shuffle(x[i], x[i + W / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) x[i] = y[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i) store(to + i * to_stride, x[i]);
}

}  // namespace
