// One chunk of one head: its arguments, and what both directions make of them first.
//
// The formulas and their names are those of ../chunked.py.
//
// Shapes: C tokens a chunk, K key width, V value width, all filled up with zeros to multiples of 16.
#pragma once

#include "../../cpu/rows.h"
#include "../../cpu/triangular.h"
#include "arguments.h"
#include "decays.h"

namespace {

// Where the arrays of one head lie, and how far apart its tokens are.
struct Head {
  int64_t key_offset, value_offset, scalar_offset, state_offset, key_stride, value_stride, scalar_stride;

  Head(const Sizes& s, int64_t index) {
    const int64_t batch = index / s.heads, head = index % s.heads, first = batch * s.time * s.heads + head;
    key_offset = first * s.key, value_offset = first * s.value, scalar_offset = first;
    key_stride = s.heads * s.key, value_stride = s.heads * s.value, scalar_stride = s.heads;
    state_offset = index * s.key * s.value;
  }
};

// K K^T and what is solved with it are in double precision: with equal keys and beta = 2 every step reflects the state again,
// and in single precision the rounding of |k|^2 would grow with every step.
struct Chunk {
  int size, key, value;  // filled up to multiples of 16
  Matrix q, k;
  float* beta;
  Decays decays;
  MatrixOf<double> kk;                       // strictly_lower(K K^T * Gamma), which is A without beta
  MatrixOf<double> solution, beta_solution;  // of the last `write` or `write_back`

  Chunk(Arena& arena, const Sizes& s)
      : size(s.chunk), key(filled(s.key)), value(filled(s.value)), q(arena.matrix(size, key)), k(arena.matrix(size, key)),
        beta(arena.vector(size)), decays(arena, size), kk(arena.matrix<double>(size, size)),
        solution(arena.matrix<double>(size, value)), beta_solution(arena.matrix<double>(size, value)),
        k_transposed(arena.matrix(key, size)), scaled_k(arena.matrix(size, key)), wide_k(arena.matrix<double>(size, key)),
        wide_k_transposed(arena.matrix<double>(key, size)), log_decay(arena.vector(size)), sign(arena.vector(size)) {}

  // All but q, which not every pass over the chunks needs.
  void load(const Sizes& s, const Inputs& in, const Head& head, int64_t start, int count) {
    const int64_t at_scalar = head.scalar_offset + start * head.scalar_stride;
    load_rows(in.k + head.key_offset + start * head.key_stride, head.key_stride, count, s.key, k, size);
    load_column(in.beta + at_scalar, head.scalar_stride, count, beta, size, 0.0f);
    load_column(in.log_decay + at_scalar, head.scalar_stride, count, log_decay, size, 0.0f);
    load_column(in.sign + at_scalar, head.scalar_stride, count, sign, size, 1.0f);
    decays.compute(log_decay, sign);
    transpose(k, k_transposed, size, key);
    convert(k, wide_k, size, key);
    convert(k_transposed, wide_k_transposed, key, size);
    product<Left::as_is, Result::replaced, Triangle::lower_result>(wide_k, wide_k_transposed, kk, size, key, size);
    times_gamma(kk, 1.0, kk);
    clear_diagonal(kk, size);
  }

  void load_q(const Sizes& s, const Inputs& in, const Head& head, int64_t start, int count) {
    load_rows(in.q + head.key_offset + start * head.key_stride, head.key_stride, count, s.key, q, size);
  }

  // `errors` holds V and becomes V - diag(since) K S; `solution` what the tokens find wrong, errors - kk X; x becomes
  // X = diag(beta) solution.
  void write(Matrix state, Matrix errors, Matrix x) {
    product<Left::as_is, Result::subtracted>(k_times(decays.since), state, errors, size, key, value);
    convert(errors, solution, size, value);
    solve(kk, beta, solution, beta_solution, size, value);
    convert(beta_solution, x, size, value);
  }

  // y becomes (I + A)^-T y; beta_y becomes diag(beta) times that.
  void write_back(Matrix y, Matrix beta_y) {
    convert(y, solution, size, value);
    solve_transposed(kk, beta, solution, beta_solution, size, value);
    convert(solution, y, size, value);
    convert(beta_solution, beta_y, size, value);
  }

  // The state becomes whole * S + (diag(until) K)^T X.
  void advance(Matrix x, Matrix state) {
    scale(state, decays.whole, key, value);
    product<Left::transposed, Result::added>(k_times(decays.until), x, state, key, size, value);
  }

  // p becomes P = scale * lower(Q K^T * Gamma).
  void scores(float scale, Matrix p) const {
    product<Left::as_is, Result::replaced, Triangle::lower_result>(q, k_transposed, p, size, key, size);
    times_gamma(p, scale, p);
  }

  // diag(factors) K, until the next call.
  Matrix k_times(const float* factors) {
    scale_rows(k, factors, 1.0f, scaled_k, size, key);
    return scaled_k;
  }

  // The rows of `to` become those of `from` times `factor` and Gamma, up to the end of the tiles on the diagonal.
  template <typename Number>
  void times_gamma(MatrixOf<Number> from, Number factor, MatrixOf<Number> to) const {
    for (int i = 0; i < size; ++i)
      for (int j = 0; j < tile_end(i); ++j) to.row(i)[j] = factor * from.row(i)[j] * decays.gamma.row(i)[j];
  }

 private:
  Matrix k_transposed, scaled_k;
  MatrixOf<double> wide_k, wide_k_transposed;
  float *log_decay, *sign;
};

}  // namespace
