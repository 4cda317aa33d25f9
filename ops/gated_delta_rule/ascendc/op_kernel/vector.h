// Vector instructions as the kernels use them: whole buffers, and rows or blocks that are the same for all repeats.

#pragma once

#include "chip.h"

namespace sfm {

constexpr int32_t FLOATS = 64;       // of a repeat
constexpr int32_t BLOCK_FLOATS = 8;  // of a block

// x = high + low, each with the eleven bits of fp16. `x` is lost.
__aicore__ inline void Split(const LocalTensor<half>& high, const LocalTensor<half>& low, const LocalTensor<float>& x,
                             const LocalTensor<float>& rounded, int32_t count)
{
    Cast(high, x, RoundMode::CAST_NONE, count);
    Settle();
    Cast(rounded, high, RoundMode::CAST_NONE, count);
    Settle();
    Sub(x, x, rounded, count);
    Settle();
    Cast(low, x, RoundMode::CAST_NONE, count);
    Settle();
}

}  // namespace sfm
