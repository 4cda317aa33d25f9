// The gradient of the gated delta rule of one head: all states and errors once more, then chunks from the last to the
// first with the gradient with respect to the state. README.md derives it.
#pragma once

#include "chunk.h"

namespace {

class Backward {
 public:
  explicit Backward(const Sizes& s)
      : s(s), size(s.chunk), num_chunks((s.time + size - 1) / size), chunk(arena, s), key(chunk.key), value(chunk.value),
        states(arena.matrix(num_chunks * key, value)), errors(arena.matrix(num_chunks * size, value)),
        d_state(arena.matrix(key, value)), x(arena.matrix(size, value)), p(arena.matrix(size, size)),
        d_p(arena.matrix(size, size)), minus_d_kk(arena.matrix(size, size)), d_out(arena.matrix(size, value)),
        y(arena.matrix(size, value)), d_v(arena.matrix(size, value)), d_q(arena.matrix(size, key)),
        d_k(arena.matrix(size, key)), d_kept(arena.matrix(size, key)), x_transposed(arena.matrix(value, size)),
        state_transposed(arena.matrix(value, key)), wide_x_transposed(arena.matrix<double>(value, size)),
        wide_minus_d_kk(arena.matrix<double>(size, size)), pairs(arena.matrix<double>(size, size)),
        below(arena.vector<double>(size)), of_since(arena.vector(size)), of_until(arena.vector(size)),
        d_beta(arena.vector(size)), d_log_decay(arena.vector(size)) {}

  void run(const Inputs& in, const float* d_out_all, const float* d_final_state, const Gradients& to, int64_t index) {
    const Head head(s, index);
    restore_states(in, head);
    load_rows(d_final_state + head.state_offset, s.value, s.key, s.value, d_state, key);
    for (int64_t n = num_chunks - 1; n >= 0; --n) {
      const int64_t start = n * size, at_key = head.key_offset + start * head.key_stride;
      const int64_t at_value = head.value_offset + start * head.value_stride;
      const int64_t at_scalar = head.scalar_offset + start * head.scalar_stride;
      chunk.load(s, in, head, start, count(n));
      chunk.load_q(s, in, head, start, count(n));
      load_rows(d_out_all + at_value, head.value_stride, count(n), s.value, d_out, size);
      differentiate(states.at(n * key, 0), errors.at(start, 0));
      store_rows(d_q, to.q + at_key, head.key_stride, count(n), s.key);
      store_rows(d_k, to.k + at_key, head.key_stride, count(n), s.key);
      store_rows(d_v, to.v + at_value, head.value_stride, count(n), s.value);
      store_rows({d_beta, 1}, to.beta + at_scalar, head.scalar_stride, count(n), 1);
      store_rows({d_log_decay, 1}, to.log_decay + at_scalar, head.scalar_stride, count(n), 1);
    }
    store_rows(d_state, to.initial_state + head.state_offset, s.value, s.key, s.value);
  }

 private:
  int count(int64_t n) const { return n < num_chunks - 1 ? size : static_cast<int>(s.time - n * size); }

  // States before all chunks, and the errors of all tokens.
  void restore_states(const Inputs& in, const Head& head) {
    load_rows(in.initial_state + head.state_offset, s.value, s.key, s.value, states, key);
    for (int64_t n = 0; n < num_chunks; ++n) {
      const Matrix state = states.at(n * key, 0), errors_n = errors.at(n * size, 0);
      const int64_t at_value = head.value_offset + n * size * head.value_stride;
      chunk.load(s, in, head, n * size, count(n));
      load_rows(in.v + at_value, head.value_stride, count(n), s.value, errors_n, size);
      chunk.write(state, errors_n, x);
      convert(chunk.solution, errors_n, size, value);
      if (n == num_chunks - 1) return;
      const Matrix next = states.at((n + 1) * key, 0);
      memcpy(next.data, state.data, sizeof(float) * key * value);
      chunk.advance(x, next);
    }
  }

  // All gradients of a chunk, and d_state moved from its end to its start.
  void differentiate(Matrix state, Matrix errors_n) {
    chunk.scores(s.scale, p);
    scale_rows(errors_n, chunk.beta, 1.0f, x, size, value);
    differentiate_writes();
    differentiate_reads(state);
    differentiate_decays(state);
    for (int i = 0; i < size; ++i) d_beta[i] = dot(y.row(i), errors_n.row(i), value);
    differentiate_pairs();
    move_d_state();
  }

  // y, with respect to X, = (I + A)^-T (P^T dO + diag(until) K dS'); dV = diag(beta) y; dP = lower(dO X^T);
  // with respect to kk: -strictly_lower(dV X^T)
  void differentiate_writes() {
    product<Left::transposed, Result::replaced, Triangle::lower_left>(p, d_out, y, size, size, value);
    product<Left::as_is, Result::added>(chunk.k_times(chunk.decays.until), d_state, y, size, key, value);
    chunk.write_back(y, d_v);
    transpose(x, x_transposed, size, value);
    product<Left::as_is, Result::replaced, Triangle::lower_result>(d_out, x_transposed, d_p, size, value, size);
    convert(x_transposed, wide_x_transposed, value, size);
    product<Left::as_is, Result::replaced, Triangle::lower_result>(
        chunk.beta_solution, wide_x_transposed, wide_minus_d_kk, size, value, size);
  }

  // d_q and d_k with respect to where Q and K read the state before, d_kept with respect to where K goes into that after.
  void differentiate_reads(Matrix state) {
    transpose(state, state_transposed, key, value);
    product(d_out, state_transposed, d_q, size, value, key);
    product(d_v, state_transposed, d_k, size, value, key);
    transpose(d_state, state_transposed, key, value);
    product(x, state_transposed, d_kept, size, value, key);
    scale_rows(d_q, chunk.decays.since, s.scale, d_q, size, key);
    scale_rows(d_k, chunk.decays.since, -1.0f, d_k, size, key);
    scale_rows(d_kept, chunk.decays.until, 1.0f, d_kept, size, key);
  }

  // With respect to log a_t: the sum of gradient x product over all products of decays that contain a_t, which are those of
  // pairs j < t <= i, since_i for i >= t, until_j for j < t, and whole. Nothing cancels however small a_t is.
  void differentiate_decays(Matrix state) {
    double whole = 0, sum_until = 0, sum_since = 0;
    for (int i = 0; i < key; ++i) whole += chunk.decays.whole * dot(state.row(i), d_state.row(i), value);
    for (int i = 0; i < size; ++i) {
      of_since[i] = dot(d_q.row(i), chunk.q.row(i), key) + dot(d_k.row(i), chunk.k.row(i), key);
      of_until[i] = dot(d_kept.row(i), chunk.k.row(i), key);
      below[i] = 0;
      for (int j = 0; j < i; ++j)
        pairs.row(i)[j] = double(p.row(i)[j]) * d_p.row(i)[j] - chunk.kk.row(i)[j] * wide_minus_d_kk.row(i)[j];
    }
    for (int t = size - 1; t >= 0; --t) {
      d_log_decay[t] = whole + (sum_since += of_since[t]);
      for (int j = 0; j < t; ++j) below[j] += pairs.row(t)[j];  // the sum over i >= t
      double of_pairs = 0;
      for (int j = 0; j < t; ++j) of_pairs += below[j];
      d_log_decay[t] += of_pairs;
    }
    for (int t = 0; t < size; ++t) {
      d_log_decay[t] += sum_until;
      sum_until += of_until[t];
    }
  }

  // Adds to d_q and d_k what comes through Q K^T and K K^T.
  void differentiate_pairs() {
    chunk.times_gamma(d_p, s.scale, d_p);
    convert(wide_minus_d_kk, minus_d_kk, size, size);
    chunk.times_gamma(minus_d_kk, 1.0f, minus_d_kk);
    clear_diagonal(minus_d_kk, size);
    product<Left::as_is, Result::added, Triangle::lower_left>(d_p, chunk.k, d_q, size, size, key);
    product<Left::transposed, Result::added, Triangle::lower_left>(d_p, chunk.q, d_k, size, size, key);
    product<Left::as_is, Result::subtracted, Triangle::lower_left>(minus_d_kk, chunk.k, d_k, size, size, key);
    product<Left::transposed, Result::subtracted, Triangle::lower_left>(minus_d_kk, chunk.k, d_k, size, size, key);
    for (int i = 0; i < size; ++i)
      for (int j = 0; j < key; ++j) d_k.row(i)[j] += d_kept.row(i)[j];
  }

  // dS = whole * dS' + scale * (diag(since) Q)^T dO - (diag(since) K)^T dV
  void move_d_state() {
    scale(d_state, chunk.decays.whole, key, value);
    scale_rows(chunk.q, chunk.decays.since, s.scale, chunk.q, size, key);
    product<Left::transposed, Result::added>(chunk.q, d_out, d_state, key, size, value);
    product<Left::transposed, Result::subtracted>(chunk.k_times(chunk.decays.since), d_v, d_state, key, size, value);
  }

  const Sizes s;
  const int size;
  const int64_t num_chunks;
  Arena arena;
  Chunk chunk;
  const int key, value;
  Matrix states, errors, d_state, x, p, d_p, minus_d_kk, d_out, y, d_v, d_q, d_k, d_kept, x_transposed, state_transposed;
  MatrixOf<double> wide_x_transposed, wide_minus_d_kk, pairs;
  double* below;
  float *of_since, *of_until, *d_beta, *d_log_decay;
};

}  // namespace
