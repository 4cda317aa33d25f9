// The signed scan, h_t = a_t h_{t-1} + x_t, for ops.Custom; threads share the rows of the batch and blocks of channels.
//
// Parameters: x, decay (B, T, D), state (B, D), then the result (B, T, D). The work is bound by memory and the loops over
// channels are plain, so the compiler's vectors for the machine's base do as well as wider ones.
#include <stdint.h>
#include <string.h>

namespace {

constexpr int64_t BLOCK = 64;  // channels: a few cache lines of every step

void scan_block(
    const float* x, const float* decay, const float* state, float* out, int64_t time, int64_t stride, int64_t width,
    bool is_reversed) {
  float h[BLOCK];
  memcpy(h, state, sizeof(float) * width);
  for (int64_t step = 0; step < time; ++step) {
    const int64_t at = (is_reversed ? time - 1 - step : step) * stride;
    for (int64_t d = 0; d < width; ++d) out[at + d] = h[d] = decay[at + d] * h[d] + x[at + d];
  }
}

int scan(int num_params, void** params, int64_t** shapes, const char** dtypes, bool is_reversed) {
  if (num_params != 4) return 1;
  for (int i = 0; i < num_params; ++i)
    if (strcmp(dtypes[i], "float32") != 0) return 2;
  const float *x = static_cast<float*>(params[0]), *decay = static_cast<float*>(params[1]);
  const float* state = static_cast<float*>(params[2]);
  float* out = static_cast<float*>(params[3]);
  const int64_t batch = shapes[0][0], time = shapes[0][1], channels = shapes[0][2], blocks = (channels + BLOCK - 1) / BLOCK;
#pragma omp parallel for
  for (int64_t index = 0; index < batch * blocks; ++index) {
    const int64_t row = index / blocks, first = index % blocks * BLOCK, at = row * time * channels + first;
    const int64_t width = channels - first < BLOCK ? channels - first : BLOCK;
    scan_block(x + at, decay + at, state + row * channels + first, out + at, time, channels, width, is_reversed);
  }
  return 0;
}

}  // namespace

extern "C" int signed_scan(int n, void** params, int*, int64_t** shapes, const char** dtypes, void*, void*) {
  return scan(n, params, shapes, dtypes, false);
}

extern "C" int signed_scan_reversed(int n, void** params, int*, int64_t** shapes, const char** dtypes, void*, void*) {
  return scan(n, params, shapes, dtypes, true);
}
