// h_t = a_t h_{t-1} + x_t for every channel by itself, in fp32; x and h come and go as fp16 or fp32. Reversed, the last step
// comes first. CANN compiles one kernel of an operator for every type of x, and says by DTYPE_X for which.
//
// Channels are lanes, steps come one after the other: two instructions a step, for which x_t and a_t are there in time if a core
// has 256 channels or more. Tiles of steps take turns in two buffers, so that the next one is loaded meanwhile.
//
// Shapes: B batch, T time, D channels; a task is one batch row and `channels_per_task` of its channels.

#pragma once

#include "kernel_operator.h"
#include "scan_tiling.h"

#ifndef DTYPE_X
#define DTYPE_X float
#endif

namespace sfm {

using namespace AscendC;

template <typename X, bool IS_REVERSED>
class SignedScan {
public:
    __aicore__ inline SignedScan(const ScanTiling& sizes) : sizes_(sizes) {}

    __aicore__ inline void Init(GM_ADDR x, GM_ADDR decay, GM_ADDR state, GM_ADDR out)
    {
        x_.SetGlobalBuffer(reinterpret_cast<__gm__ X*>(x));
        decay_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(decay));
        state_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(state));
        out_.SetGlobalBuffer(reinterpret_cast<__gm__ X*>(out));
        const int32_t tile = sizes_.steps_per_tile * sizes_.channels_per_task;
        pipe_.InitBuffer(inputs_, 2, tile * sizeof(X));
        pipe_.InitBuffer(decays_, 2, tile * sizeof(float));
        pipe_.InitBuffer(outputs_, 2, tile * sizeof(X));
        pipe_.InitBuffer(sums_, tile * sizeof(float));
        pipe_.InitBuffer(last_, sizes_.channels_per_task * sizeof(float));
        pipe_.InitBuffer(term_, sizes_.channels_per_task * sizeof(float));
    }

    __aicore__ inline void Process()
    {
        const int32_t slices = (sizes_.num_channels + sizes_.channels_per_task - 1) / sizes_.channels_per_task;
        for (int32_t task = GetBlockIdx(); task < slices * sizes_.num_batch; task += GetBlockNum() * GetTaskRation()) {
            const int32_t channel = task % slices * sizes_.channels_per_task;
            const int32_t left = sizes_.num_channels - channel;
            Scan(task / slices, channel, left < sizes_.channels_per_task ? left : sizes_.channels_per_task);
        }
    }

private:
    __aicore__ inline void Scan(int32_t batch, int32_t channel, int32_t count)
    {
        LoadState(static_cast<int64_t>(batch) * sizes_.num_channels + channel, count);
        for (int32_t done = 0; done < sizes_.num_steps; done += sizes_.steps_per_tile) {
            const int32_t left = sizes_.num_steps - done;
            const int32_t steps = left < sizes_.steps_per_tile ? left : sizes_.steps_per_tile;
            const int32_t first = IS_REVERSED ? left - steps : done;
            const int64_t start = (static_cast<int64_t>(batch) * sizes_.num_steps + first) * sizes_.num_channels + channel;
            Load(start, steps, count);
            Compute(steps, count);
            Store(start, steps, count);
        }
    }

    // Through the decays' buffers, as a pair of pipes has four flags on the 910 and the queues take them all.
    __aicore__ inline void LoadState(int64_t start, int32_t count)
    {
        const LocalTensor<float> loaded = decays_.template AllocTensor<float>();
        DataCopy(loaded, state_[start], count);
        decays_.EnQue(loaded);
        LocalTensor<float> initial = decays_.template DeQue<float>();
        DataCopy(last_.template Get<float>(), initial, count);
        PipeBarrier<PIPE_V>();
        decays_.FreeTensor(initial);
    }

    template <typename T>
    __aicore__ inline DataCopyParams Tile(int32_t steps, int32_t count, bool is_load) const
    {
        const uint16_t gap = (sizes_.num_channels - count) * sizeof(T) / 32;
        return DataCopyParams(steps, count * sizeof(T) / 32, is_load ? gap : 0, is_load ? 0 : gap);
    }

    __aicore__ inline void Load(int64_t start, int32_t steps, int32_t count)
    {
        const LocalTensor<X> x = inputs_.template AllocTensor<X>();
        const LocalTensor<float> decay = decays_.template AllocTensor<float>();
        DataCopy(x, x_[start], Tile<X>(steps, count, true));
        DataCopy(decay, decay_[start], Tile<float>(steps, count, true));
        inputs_.EnQue(x);
        decays_.EnQue(decay);
    }

    __aicore__ inline void Compute(int32_t steps, int32_t count)
    {
        LocalTensor<X> x = inputs_.template DeQue<X>(), out = outputs_.template AllocTensor<X>();
        LocalTensor<float> decay = decays_.template DeQue<float>();
        const LocalTensor<float> sums = sums_.template Get<float>(), term = term_.template Get<float>();
        const LocalTensor<float> last = last_.template Get<float>();
        ToFloat(sums, x, steps * count);
        LocalTensor<float> before = last;
        for (int32_t i = 0; i < steps; ++i) {
            const int32_t row = (IS_REVERSED ? steps - 1 - i : i) * count;
            Mul(term, decay[row], before, count);
            PipeBarrier<PIPE_V>();
            Add(sums[row], sums[row], term, count);
            PipeBarrier<PIPE_V>();
            before = sums[row];
        }
        DataCopy(last, before, count);
        FromFloat(out, sums, steps * count);
        PipeBarrier<PIPE_V>();
        inputs_.FreeTensor(x);
        decays_.FreeTensor(decay);
        outputs_.EnQue(out);
    }

    __aicore__ inline void Store(int64_t start, int32_t steps, int32_t count)
    {
        LocalTensor<X> out = outputs_.template DeQue<X>();
        DataCopy(out_[start], out, Tile<X>(steps, count, false));
        outputs_.FreeTensor(out);
    }

    __aicore__ inline void ToFloat(const LocalTensor<float>& to, const LocalTensor<half>& from, int32_t count)
    {
        Cast(to, from, RoundMode::CAST_NONE, count);
        PipeBarrier<PIPE_V>();
    }

    __aicore__ inline void ToFloat(const LocalTensor<float>& to, const LocalTensor<float>& from, int32_t count)
    {
        DataCopy(to, from, count);
        PipeBarrier<PIPE_V>();
    }

    __aicore__ inline void FromFloat(const LocalTensor<half>& to, const LocalTensor<float>& from, int32_t count)
    {
        Cast(to, from, RoundMode::CAST_NONE, count);
    }

    __aicore__ inline void FromFloat(const LocalTensor<float>& to, const LocalTensor<float>& from, int32_t count)
    {
        DataCopy(to, from, count);
    }

    const ScanTiling sizes_;
    TPipe pipe_;
    GlobalTensor<X> x_, out_;                // (B, T, D)
    GlobalTensor<float> decay_, state_;      // (B, T, D), (B, D)
    TQue<TPosition::VECIN, 2> inputs_, decays_;
    TQue<TPosition::VECOUT, 2> outputs_;
    TBuf<TPosition::VECCALC> sums_, last_, term_;
};

template <bool IS_REVERSED>
__aicore__ inline void RunSignedScan(GM_ADDR x, GM_ADDR decay, GM_ADDR state, GM_ADDR out, GM_ADDR tiling)
{
    if ASCEND_IS_AIC {
        return;  // of the 910B's cores, those that have no vector unit
    }
    SignedScan<DTYPE_X, IS_REVERSED> scan(*reinterpret_cast<__gm__ ScanTiling*>(tiling));
    scan.Init(x, decay, state, out);
    scan.Process();
}

}  // namespace sfm
