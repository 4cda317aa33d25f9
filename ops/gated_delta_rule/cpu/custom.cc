// The entry points that MindSpore's ops.Custom calls: they check what they are given and choose the instruction set.
//
// Parameters in order: q, k, v, beta, log_decay, sign, initial_state, scale (1,), [d_out, d_final_state,] then the outputs.
#include <stdlib.h>
#include <string.h>

#include "arguments.h"

namespace {

// The widest instructions that the machine has, or those that the environment variable SFM_OPS_CPU names.
const Kernels& best_kernels() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const char* asked = getenv("SFM_OPS_CPU");
  const auto may_use = [&](const char* name) { return asked == nullptr || strcmp(asked, name) == 0; };
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (has_avx512 && may_use("avx512")) return avx512_kernels;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && may_use("avx2")) return avx2_kernels;
#endif
  return portable_kernels;
}

enum Failure { none = 0, wrong_number_of_parameters = 1, not_float32 = 2 };

Failure check(int num_given, int num_expected, const char** dtypes) {
  if (num_given != num_expected) return wrong_number_of_parameters;
  for (int i = 0; i < num_given; ++i)
    if (strcmp(dtypes[i], "float32") != 0) return not_float32;
  return none;
}

Sizes sizes(void** params, int64_t** shapes, int chunk) {
  const int64_t *q = shapes[0], *v = shapes[2];
  return {q[0], q[1], q[2], q[3], v[3], chunk, *static_cast<const float*>(params[7])};
}

Inputs inputs(float** p) { return {p[0], p[1], p[2], p[3], p[4], p[5], p[6]}; }

int forward(int num_params, void** params, int64_t** shapes, const char** dtypes, int chunk) {
  float** p = reinterpret_cast<float**>(params);
  if (const Failure failure = check(num_params, 10, dtypes)) return failure;
  best_kernels().forward(sizes(params, shapes, chunk), inputs(p), {p[8], p[9]});
  return 0;
}

int backward(int num_params, void** params, int64_t** shapes, const char** dtypes, int chunk) {
  float** p = reinterpret_cast<float**>(params);
  if (const Failure failure = check(num_params, 16, dtypes)) return failure;
  best_kernels().backward(sizes(params, shapes, chunk), inputs(p), p[8], p[9], {p[10], p[11], p[12], p[13], p[14], p[15]});
  return 0;
}

}  // namespace

// A function for each chunk size, as MindSpore hands over tensors only.
#define ENTRY(direction, chunk)                                                                                     \
  extern "C" int gated_delta_rule_##direction##_##chunk(                                                            \
      int num_params, void** params, int*, int64_t** shapes, const char** dtypes, void*, void*) {                   \
    return direction(num_params, params, shapes, dtypes, chunk);                                                    \
  }

ENTRY(forward, 16)
ENTRY(forward, 32)
ENTRY(forward, 64)
ENTRY(backward, 16)
ENTRY(backward, 32)
ENTRY(backward, 64)
