// The gated delta rule of one head, chunk after chunk, with the state and all that belongs to a chunk in cache.
//
// As the state before a chunk is at hand, X is found by substitution, token after token, and no inverse is formed.
#pragma once

#include "chunk.h"

namespace {

class Forward {
 public:
  explicit Forward(const Sizes& s)
      : s(s), chunk(arena, s), state(arena.matrix(chunk.key, chunk.value)), errors(arena.matrix(s.chunk, chunk.value)),
        x(arena.matrix(s.chunk, chunk.value)), o(arena.matrix(s.chunk, chunk.value)), p(arena.matrix(s.chunk, s.chunk)) {}

  void run(const Inputs& in, const Outputs& out, int64_t index) {
    const Head head(s, index);
    load_rows(in.initial_state + head.state_offset, s.value, s.key, s.value, state, chunk.key);
    for (int64_t start = 0; start < s.time; start += s.chunk) {
      const int count = s.time - start < s.chunk ? static_cast<int>(s.time - start) : s.chunk;
      const int64_t at_value = head.value_offset + start * head.value_stride;
      chunk.load(s, in, head, start, count);
      chunk.load_q(s, in, head, start, count);
      load_rows(in.v + at_value, head.value_stride, count, s.value, errors, s.chunk);
      chunk.write(state, errors, x);
      read();
      store_rows(o, out.out + at_value, head.value_stride, count, s.value);
      chunk.advance(x, state);
    }
    store_rows(state, out.final_state + head.state_offset, s.value, s.key, s.value);
  }

 private:
  // O = scale * diag(since) Q S + P X
  void read() {
    chunk.scores(s.scale, p);
    scale_rows(chunk.q, chunk.decays.since, s.scale, chunk.q, s.chunk, chunk.key);
    product(chunk.q, state, o, s.chunk, chunk.key, chunk.value);
    product<Left::as_is, Result::added, Triangle::lower_left>(p, x, o, s.chunk, s.chunk, chunk.value);
  }

  const Sizes s;
  Arena arena;
  Chunk chunk;
  Matrix state, errors, x, o, p;
};

}  // namespace
