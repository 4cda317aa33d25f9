// Vector instructions as the kernels use them: whole buffers, and rows or blocks that are the same for all repeats.

#pragma once

#include "kernel_operator.h"

namespace sfm {

using namespace AscendC;

constexpr int32_t FLOATS = 64;       // of a repeat
constexpr int32_t BLOCK_FLOATS = 8;  // of a block
constexpr int32_t MOST_REPEATS = 255;

// What a vector instruction writes, the next one may read.
__aicore__ inline void Settle() { PipeBarrier<PIPE_V>(); }

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

// x *= the one block of numbers, for all blocks of x.
__aicore__ inline void MultiplyByBlock(const LocalTensor<float>& x, const LocalTensor<float>& block, int32_t count)
{
    constexpr int32_t repeats = 128;
    for (int32_t start = 0; start < count; start += repeats * FLOATS) {
        const int32_t num = (count - start) / FLOATS < repeats ? (count - start) / FLOATS : repeats;
        Mul(x[start], x[start], block, FLOATS, num, {1, 1, 0, 8, 8, 0});
    }
    Settle();
}

}  // namespace sfm
