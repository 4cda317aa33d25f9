// A bench for kernels with one mistake each: three tensors in UB, a source and a target in GM.
#pragma once
#include "kernel_operator.h"

using namespace AscendC;

// Three tensors of 256 half in UB, the first loaded from x.
class Bench {
public:
    static constexpr uint32_t kLength = 256;

    __aicore__ inline Bench(GM_ADDR x, GM_ADDR y)
    {
        x_.SetGlobalBuffer((__gm__ half *)x);
        y_.SetGlobalBuffer((__gm__ half *)y);
        pipe_.InitBuffer(buffer_, 3 * kLength * sizeof(half));
        a_ = buffer_.GetWithOffset<half>(kLength, 0);
        b_ = buffer_.GetWithOffset<half>(kLength, kLength * sizeof(half));
        c_ = buffer_.GetWithOffset<half>(kLength, 2 * kLength * sizeof(half));
    }
    __aicore__ inline void Load()
    {
        DataCopy(a_, x_, kLength);
        PipeBarrier<PIPE_ALL>();
    }
    __aicore__ inline void Store(const LocalTensor<half> &tensor)
    {
        PipeBarrier<PIPE_ALL>();
        DataCopy(y_, tensor, kLength);
        PipeBarrier<PIPE_ALL>();
    }
    template <HardEvent event> __aicore__ inline void Sync(int32_t id = 0)
    {
        SetFlag<event>(id);
        WaitFlag<event>(id);
    }

    TPipe pipe_;
    TBuf<TPosition::VECCALC> buffer_;
    LocalTensor<half> a_, b_, c_;
    GlobalTensor<half> x_, y_;
};

__aicore__ inline bool Idle()
{
    if ASCEND_IS_AIC {
        return true;
    }
    return GetSubBlockIdx() != 0;
}

#define VECTOR_KERNEL(name)                                                                                              \
    __aicore__ inline void name##_body(Bench &bench, GM_ADDR x, GM_ADDR y, GM_ADDR workspace);                           \
    extern "C" __global__ __aicore__ void name(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)                  \
    {                                                                                                                    \
        if (Idle()) {                                                                                                    \
            return;                                                                                                      \
        }                                                                                                                \
        Bench bench(x, y);                                                                                               \
        name##_body(bench, x, y, workspace);                                                                             \
    }                                                                                                                    \
    __aicore__ inline void name##_body(Bench &bench, GM_ADDR x, GM_ADDR y, GM_ADDR workspace)
