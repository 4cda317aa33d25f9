// Both directions of the gated delta rule; threads share the heads and rows of the batch.
#pragma once

#include "backward.h"
#include "forward.h"

namespace {

void forward(const Sizes& s, const Inputs& in, const Outputs& out) {
#pragma omp parallel
  {
    Forward pass(s);
#pragma omp for schedule(dynamic)
    for (int64_t index = 0; index < s.batch * s.heads; ++index) pass.run(in, out, index);
  }
}

void backward(const Sizes& s, const Inputs& in, const float* d_out, const float* d_final_state, const Gradients& to) {
#pragma omp parallel
  {
    Backward pass(s);
#pragma omp for schedule(dynamic)
    for (int64_t index = 0; index < s.batch * s.heads; ++index) pass.run(in, d_out, d_final_state, to, index);
  }
}

}  // namespace
