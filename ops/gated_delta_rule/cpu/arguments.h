// What the kernels of all instruction sets are called with: row-major fp32 arrays of one call.
//
// Shapes: B batch, T time, H heads, K key width, V value width. q, k (B, T, H, K); v, out (B, T, H, V); beta, log_decay,
// sign (B, T, H); states (B, H, K, V). Gradients have the shapes of what they belong to.
#pragma once

#include <stdint.h>

struct Sizes {
  int64_t batch, time, heads, key, value;
  int chunk;
  float scale;
};

struct Inputs {
  const float *q, *k, *v, *beta, *log_decay, *sign, *initial_state;
};

struct Outputs {
  float *out, *final_state;
};

struct Gradients {
  float *q, *k, *v, *beta, *log_decay, *initial_state;
};

struct Kernels {
  void (*forward)(const Sizes&, const Inputs&, const Outputs&);
  void (*backward)(const Sizes&, const Inputs&, const float* d_out, const float* d_final_state, const Gradients&);
};

extern const Kernels avx512_kernels, avx2_kernels, portable_kernels;
