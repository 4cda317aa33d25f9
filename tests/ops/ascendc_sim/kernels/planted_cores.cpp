// One mistake a kernel on the Cube or between cores, and how it is done right; see test_checks.py.
#include "bench.h"

// Operands of the Cube with 5 rows of 16, a small product added to at once, then a consumer that reads all 16 rows.
extern "C" __global__ __aicore__ void consumes_tail_rows(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    if ASCEND_IS_AIV {
        return;
    }
    TPipe pipe;
    TBuf<TPosition::A1> l1;
    TBuf<TPosition::A2> l0a;
    TBuf<TPosition::B2> l0b;
    TBuf<TPosition::CO1> l0c;
    pipe.InitBuffer(l1, 512);
    pipe.InitBuffer(l0a, 512);
    pipe.InitBuffer(l0b, 512);
    pipe.InitBuffer(l0c, 1024);
    GlobalTensor<half> source;
    source.SetGlobalBuffer((__gm__ half *)x);
    DataCopy(l1.Get<half>(), source, 256);
    PipeBarrier<PIPE_ALL>();
    LoadData2DParams load;
    load.repeatTimes = 1;
    LoadData(l0a.Get<half>(), l1.Get<half>(), load);
    LoadData(l0b.Get<half>(), l1.Get<half>(), load);
    PipeBarrier<PIPE_ALL>();
    MmadParams params;
    params.m = 5;
    params.n = 16;
    params.k = 16;
    Mmad(l0c.Get<float>(), l0a.Get<half>(), l0b.Get<half>(), params);
    params.cmatrixInitVal = false;
    Mmad(l0c.Get<float>(), l0a.Get<half>(), l0b.Get<half>(), params);
    PipeBarrier<PIPE_ALL>();
#if __CCE_AICORE__ == 220
    GlobalTensor<float> target;
    target.SetGlobalBuffer((__gm__ float *)y);
    Fixpipe<float, float, CFG_ROW_MAJOR>(target, l0c.Get<float>(), FixpipeParamsV220(16, 16, 16, 16, false));
#else
    TBuf<TPosition::VECCALC> ub;
    pipe.InitBuffer(ub, 1024);
    DataCopyEnhancedParams enhanced;
    enhanced.blockMode = BlockMode::BLOCK_MODE_MATRIX;
    DataCopy(ub.Get<float>(), l0c.Get<float>(), DataCopyParams(1, 1, 0, 0), enhanced);
#endif
}

extern "C" __global__ __aicore__ void cube_reads_ub(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    if ASCEND_IS_AIV {
        return;
    }
    TPipe pipe;
    TBuf<TPosition::VECCALC> ub;
    TBuf<TPosition::A2> l0a;
    pipe.InitBuffer(ub, 512);
    pipe.InitBuffer(l0a, 512);
    LoadData2DParams load;
    load.repeatTimes = 1;
    LoadData(l0a.Get<half>(), ub.Get<half>(), load);
}

extern "C" __global__ __aicore__ void unaligned_fractal(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    if ASCEND_IS_AIV {
        return;
    }
    TPipe pipe;
    TBuf<TPosition::A1> l1;
    TBuf<TPosition::A2> l0a;
    pipe.InitBuffer(l1, 1024);
    pipe.InitBuffer(l0a, 1024);
    GlobalTensor<half> source;
    source.SetGlobalBuffer((__gm__ half *)x);
    DataCopy(l1.Get<half>(), source, 512);
    PipeBarrier<PIPE_ALL>();
    LoadData2DParams load;
    load.repeatTimes = 1;
    LoadData(l0a.Get<half>()[16], l1.Get<half>(), load);
}

// Two blocks write the same 256 elements.
VECTOR_KERNEL(blocks_write_one_place)
{
    bench.Load();
    bench.Store(bench.a_);
}

// All blocks add to the same 64 floats; atomic additions may come in any order.
VECTOR_KERNEL(blocks_add_to_one_place)
{
    LocalTensor<float> one = bench.buffer_.Get<float>();
    GlobalTensor<float> sum;
    sum.SetGlobalBuffer((__gm__ float *)y);
    Duplicate(one, 1.0f, 64);
    bench.Sync<HardEvent::V_MTE3>();
    SetAtomicAdd<float>();
    DataCopy(sum, one, 64);
    SetAtomicNone();
}

#if __CCE_AICORE__ == 220
VECTOR_KERNEL(ub_to_l1)
{
    TBuf<TPosition::A1> l1;
    bench.pipe_.InitBuffer(l1, 512);
    bench.Load();
    DataCopy(l1.Get<half>(), bench.a_, 256);
}

extern "C" __global__ __aicore__ void vector_work_on_the_cube_core(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    Bench bench(x, y);
    Duplicate(bench.a_, (half)1, 256);
}

extern "C" __global__ __aicore__ void library_flag_taken(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    if ASCEND_IS_AIC {
        TPipe pipe;
        SetFlag<HardEvent::M_MTE1>(0);
        WaitFlag<HardEvent::M_MTE1>(0);
    }
}

extern "C" __global__ __aicore__ void sets_far_ahead(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    for (int i = 0; i < 16; ++i) {
        if ASCEND_IS_AIC {
            CrossCoreSetFlag<2, PIPE_FIX>(0);
        } else {
            CrossCoreWaitFlag(1);
        }
    }
}

// The Cube core moves x to the workspace, both vector cores take their half of it from there.
template <bool handOver, bool waitForIt, bool meet = false>
__aicore__ inline void HandOver(GM_ADDR x, GM_ADDR y, GM_ADDR workspace)
{
    TPipe pipe;
    GlobalTensor<half> scratch, target;
    scratch.SetGlobalBuffer((__gm__ half *)workspace);
    if ASCEND_IS_AIC {
        TBuf<TPosition::A1> l1;
        TBuf<TPosition::A2> l0a;
        TBuf<TPosition::B2> l0b;
        TBuf<TPosition::CO1> l0c;
        pipe.InitBuffer(l1, 512);
        pipe.InitBuffer(l0a, 512);
        pipe.InitBuffer(l0b, 512);
        pipe.InitBuffer(l0c, 1024);
        GlobalTensor<half> source;
        source.SetGlobalBuffer((__gm__ half *)x);
        DataCopy(l1.Get<half>(), source, 256);
        PipeBarrier<PIPE_ALL>();
        LoadData2DParams load;
        load.repeatTimes = 1;
        LoadData(l0a.Get<half>(), l1.Get<half>(), load);
        LoadData(l0b.Get<half>(), l1.Get<half>(), load);
        PipeBarrier<PIPE_ALL>();
        MmadParams params;
        params.m = params.n = params.k = 16;
        Mmad(l0c.Get<float>(), l0a.Get<half>(), l0b.Get<half>(), params);
        PipeBarrier<PIPE_ALL>();
        FixpipeParamsV220 fixpipe(16, 16, 16, 16, false);
        fixpipe.quantPre = QuantMode_t::F322F16;
        Fixpipe<half, float, CFG_ROW_MAJOR>(scratch, l0c.Get<float>(), fixpipe);
        if constexpr (handOver) {
            CrossCoreSetFlag<2, PIPE_FIX>(3);
        }
        if constexpr (meet) {
            SyncAll<false>();
        }
        return;
    }
    TBuf<TPosition::VECCALC> ub;
    pipe.InitBuffer(ub, 256);
    target.SetGlobalBuffer((__gm__ half *)y);
    if constexpr (waitForIt) {
        CrossCoreWaitFlag(3);
    }
    if constexpr (meet) {
        SyncAll<false>();
    }
    uint32_t start = GetSubBlockIdx() * 128;
    DataCopy(ub.Get<half>(), scratch[start], 128);
    SetFlag<HardEvent::MTE2_MTE3>(0);
    WaitFlag<HardEvent::MTE2_MTE3>(0);
    DataCopy(target[start], ub.Get<half>(), 128);
}

extern "C" __global__ __aicore__ void hands_over(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    HandOver<true, true>(x, y, workspace);
}

extern "C" __global__ __aicore__ void hands_over_where_all_meet(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    HandOver<false, false, true>(x, y, workspace);
}

extern "C" __global__ __aicore__ void does_not_wait_for_the_cube(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    HandOver<false, false>(x, y, workspace);
}

extern "C" __global__ __aicore__ void waits_for_ever(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    HandOver<false, true>(x, y, workspace);
}

extern "C" __global__ __aicore__ void leaves_a_cross_flag(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    HandOver<true, false>(x, y, workspace);
}
#endif

// Every block writes its part of x to the workspace and reads the next block's from there, with or without meeting in between.
template <bool meet> __aicore__ inline void ReadsTheNeighbour(GM_ADDR x, GM_ADDR y, GM_ADDR workspace)
{
    if ASCEND_IS_AIC {
        return;
    }
    TPipe pipe;
    TBuf<TPosition::VECCALC> ub;
    pipe.InitBuffer(ub, 64);
    LocalTensor<half> part = ub.Get<half>(16);
    GlobalTensor<half> source, scratch, target;
    source.SetGlobalBuffer((__gm__ half *)x);
    scratch.SetGlobalBuffer((__gm__ half *)workspace);
    target.SetGlobalBuffer((__gm__ half *)y);
    int64_t block = GetBlockIdx(), cores = GetBlockNum() * GetTaskRation();
    DataCopy(part, source[block * 16], 16);
    PipeBarrier<PIPE_ALL>();
    DataCopy(scratch[block * 16], part, 16);
    if constexpr (meet) {
#if __CCE_AICORE__ == 220
        SyncAll();
#else
        SyncAll(GlobalTensor<int32_t>(), LocalTensor<int32_t>());
#endif
    }
    PipeBarrier<PIPE_ALL>();
    DataCopy(part, scratch[(block + 1) % cores * 16], 16);
    PipeBarrier<PIPE_ALL>();
    DataCopy(target[block * 16], part, 16);
}

extern "C" __global__ __aicore__ void meets_its_neighbour(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    ReadsTheNeighbour<true>(x, y, workspace);
}

extern "C" __global__ __aicore__ void ignores_its_neighbour(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    ReadsTheNeighbour<false>(x, y, workspace);
}
