// Vector kernels without a mistake: queues, instructions and numbers are tested on them.
#include "kernel_operator.h"

using namespace AscendC;

struct AddTiling {
    uint32_t length;
    uint32_t tile;
    uint32_t buffers;
};

// z = x + y, tile by tile through queues of `buffers` buffers.
class TiledAdd {
public:
    __aicore__ inline TiledAdd() {}
    __aicore__ inline void Run(GM_ADDR x, GM_ADDR y, GM_ADDR z, const __gm__ AddTiling *tiling)
    {
        tile_ = tiling->tile;
        x_.SetGlobalBuffer((__gm__ float *)x);
        y_.SetGlobalBuffer((__gm__ float *)y);
        z_.SetGlobalBuffer((__gm__ float *)z);
        pipe_.InitBuffer(inX_, tiling->buffers, tile_ * sizeof(float));
        pipe_.InitBuffer(inY_, tiling->buffers, tile_ * sizeof(float));
        pipe_.InitBuffer(out_, tiling->buffers, tile_ * sizeof(float));
        for (uint32_t start = 0; start < tiling->length; start += tile_) {
            Load(start);
            Compute();
            Store(start);
        }
    }

private:
    __aicore__ inline void Load(uint32_t start)
    {
        LocalTensor<float> x = inX_.AllocTensor<float>();
        LocalTensor<float> y = inY_.AllocTensor<float>();
        DataCopy(x, x_[start], tile_);
        DataCopy(y, y_[start], tile_);
        inX_.EnQue(x);
        inY_.EnQue(y);
    }
    __aicore__ inline void Compute()
    {
        LocalTensor<float> x = inX_.DeQue<float>();
        LocalTensor<float> y = inY_.DeQue<float>();
        LocalTensor<float> z = out_.AllocTensor<float>();
        Add(z, x, y, tile_);
        out_.EnQue(z);
        inX_.FreeTensor(x);
        inY_.FreeTensor(y);
    }
    __aicore__ inline void Store(uint32_t start)
    {
        LocalTensor<float> z = out_.DeQue<float>();
        DataCopy(z_[start], z, tile_);
        out_.FreeTensor(z);
    }

    TPipe pipe_;
    TQue<QuePosition::VECIN, 2> inX_, inY_;
    TQue<QuePosition::VECOUT, 2> out_;
    GlobalTensor<float> x_, y_, z_;
    uint32_t tile_ = 0;
};

extern "C" __global__ __aicore__ void tiled_add(GM_ADDR x, GM_ADDR y, GM_ADDR z, GM_ADDR workspace, GM_ADDR tiling)
{
    if ASCEND_IS_AIC {
        return;
    }
    if (GetSubBlockIdx() != 0) {
        return;
    }
    TiledAdd add;
    add.Run(x, y, z, reinterpret_cast<__gm__ AddTiling *>(tiling));
}

// One instruction after another on tensors of 128 elements; see test_numbers.py for what each row has to hold.
class VectorSuite {
public:
    static constexpr uint32_t kLength = 128;

    __aicore__ inline VectorSuite() {}
    __aicore__ inline void Run(GM_ADDR x, GM_ADDR y, GM_ADDR out32, GM_ADDR out16)
    {
        pipe_.InitBuffer(buffer_, 64 * 1024);
        x_ = Take<float>(kLength);
        y_ = Take<float>(kLength);
        hx_ = Take<half>(kLength);
        hy_ = Take<half>(kLength);
        work_ = Take<float>(kLength);
        hwork_ = Take<half>(kLength);
        bits_ = Take<uint8_t>(32);
        out32_.SetGlobalBuffer((__gm__ float *)out32);
        out16_.SetGlobalBuffer((__gm__ half *)out16);
        GlobalTensor<float> gx, gy;
        gx.SetGlobalBuffer((__gm__ float *)x);
        gy.SetGlobalBuffer((__gm__ float *)y);
        DataCopy(x_, gx, kLength);
        DataCopy(y_, gy, kLength);
        PipeBarrier<PIPE_ALL>();
        Cast(hx_, x_, RoundMode::CAST_NONE, kLength);
        Cast(hy_, y_, RoundMode::CAST_NONE, kLength);
        PipeBarrier<PIPE_V>();
        Float();
        Half();
        Strided();
    }

private:
    template <typename T> __aicore__ inline LocalTensor<T> Take(uint32_t length)
    {
        LocalTensor<T> tensor = buffer_.GetWithOffset<T>(length, used_);
        used_ += length * sizeof(T);
        return tensor;
    }
    __aicore__ inline LocalTensor<float> Next()
    {
        return Take<float>(kLength);
    }
    __aicore__ inline void Emit(const LocalTensor<float> &row)
    {
        PipeBarrier<PIPE_ALL>();
        DataCopy(out32_[row32_++ * kLength], row, kLength);
    }
    __aicore__ inline void Emit(const LocalTensor<half> &row)
    {
        PipeBarrier<PIPE_ALL>();
        DataCopy(out16_[row16_++ * kLength], row, kLength);
    }

    __aicore__ inline void Float()
    {
        LocalTensor<float> r = Next();
        Sub(r, x_, y_, kLength);
        Emit(r);
        r = Next();
        Mul(r, x_, y_, kLength);
        Emit(r);
        r = Next();
        Div(r, x_, y_, kLength);
        Emit(r);
        r = Next();
        Max(r, x_, y_, kLength);
        Emit(r);
        r = Next();
        Muls(r, x_, 1.5f, kLength);
        PipeBarrier<PIPE_V>();
        Adds(r, r, 0.25f, kLength);
        Emit(r);
        r = Next();
        Exp(r, x_, kLength);
        Emit(r);
        r = Next();
        Ln(r, y_, kLength);
        Emit(r);
        r = Next();
        Sqrt(r, y_, kLength);
        Emit(r);
        r = Next();
        Duplicate(r, 2.0f, kLength);
        PipeBarrier<PIPE_V>();
        Axpy(r, x_, -3.0f, kLength);
        Emit(r);
    }
    __aicore__ inline void Half()
    {
        LocalTensor<half> r = Take<half>(kLength);
        Add(r, hx_, hy_, kLength);
        Emit(r);
        r = Take<half>(kLength);
        Mul(r, hx_, hy_, kLength);
        Emit(r);
        r = Take<half>(kLength);
        Reciprocal(r, hy_, kLength);
        Emit(r);
        r = Take<half>(kLength);
        Cast(r, x_, RoundMode::CAST_ODD, kLength);
        Emit(r);
        r = Take<half>(kLength);
        Compare(bits_, hx_, hy_, CMPMODE::LT, kLength);
        PipeBarrier<PIPE_V>();
        Select(r, bits_, hx_, hy_, SELMODE::VSEL_CMPMASK_SPR, kLength);
        Emit(r);
        r = Take<half>(kLength);
        Duplicate(r, static_cast<half>(0), kLength);
        PipeBarrier<PIPE_V>();
        WholeReduceSum(r, hx_, 128, 1, 1, 1, 8);
        PipeBarrier<PIPE_V>();
        BlockReduceSum(r[16], hx_, 1, 128, 1, 1, 8);
        ReduceSum(r[32], hy_, hwork_, kLength);
        Emit(r);
    }
    // A row broadcast over repeats by a stride of 0, a lane mask and a bit mask, and rows of half a repeat.
    __aicore__ inline void Strided()
    {
        LocalTensor<float> r = Next();
        Duplicate(r, 0.0f, kLength);
        PipeBarrier<PIPE_V>();
        Add(r, x_, y_, 64, 2, BinaryRepeatParams(1, 1, 1, 8, 8, 0));
        Emit(r);
        r = Next();
        Duplicate(r, 0.0f, kLength);
        PipeBarrier<PIPE_V>();
        Mul(r, x_, y_, 5, 2, BinaryRepeatParams(1, 1, 1, 8, 8, 8));
        Emit(r);
        r = Next();
        Duplicate(r, 0.0f, kLength);
        PipeBarrier<PIPE_V>();
        uint64_t mask[2] = {0x5555555555555555, 0};
        Abs(r, x_, mask, 2, UnaryRepeatParams(1, 1, 8, 8));
        Emit(r);
        r = Next();
        Cast(r, hx_, RoundMode::CAST_NONE, 64, 2, UnaryRepeatParams(1, 1, 8, 4));
        Emit(r);
    }

    TPipe pipe_;
    TBuf<TPosition::VECCALC> buffer_;
    LocalTensor<float> x_, y_, work_;
    LocalTensor<half> hx_, hy_, hwork_;
    LocalTensor<uint8_t> bits_;
    GlobalTensor<float> out32_;
    GlobalTensor<half> out16_;
    uint32_t used_ = 0, row32_ = 0, row16_ = 0;
};

extern "C" __global__ __aicore__ void vector_suite(GM_ADDR x, GM_ADDR y, GM_ADDR out32, GM_ADDR out16, GM_ADDR workspace,
                                                   GM_ADDR tiling)
{
    if ASCEND_IS_AIC {
        return;
    }
    if (GetSubBlockIdx() != 0) {
        return;
    }
    VectorSuite suite;
    suite.Run(x, y, out32, out16);
}

// y = 2 x of the first 64 numbers, then the next 64 as they are. The scalar unit waits for V before it has x's place filled
// again, and writes the last number itself; a value that it reads back decides what it writes.
extern "C" __global__ __aicore__ void scalar_orders_pipes(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    if ASCEND_IS_AIC {
        return;
    }
    if (GetSubBlockIdx() != 0) {
        return;
    }
    TPipe pipe;
    TBuf<TPosition::VECCALC> ub;
    pipe.InitBuffer(ub, 512);
    LocalTensor<float> a = ub.GetWithOffset<float>(64, 0), b = ub.GetWithOffset<float>(64, 256);
    GlobalTensor<float> source, target;
    source.SetGlobalBuffer((__gm__ float *)x);
    target.SetGlobalBuffer((__gm__ float *)y);
    DataCopy(a, source, 64);
    SetFlag<HardEvent::MTE2_V>(0);
    WaitFlag<HardEvent::MTE2_V>(0);
    Muls(b, a, 2.0f, 64);
    SetFlag<HardEvent::V_S>(0);
    WaitFlag<HardEvent::V_S>(0);
    DataCopy(a, source[64], 64);
    float last = b.GetValue(63);
    b.SetValue(63, last > 0 ? 1.0f : -1.0f);
    SetFlag<HardEvent::S_MTE3>(0);
    WaitFlag<HardEvent::S_MTE3>(0);
    DataCopy(target, b, 64);
    SetFlag<HardEvent::MTE2_MTE3>(0);
    WaitFlag<HardEvent::MTE2_MTE3>(0);
    DataCopy(target[64], a, 64);
}

// Transposes of 16 x 16 blocks of half: x is 32 x 16, y becomes its two transposed blocks, and once more the first.
extern "C" __global__ __aicore__ void transposes(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    if ASCEND_IS_AIC {
        return;
    }
    if (GetSubBlockIdx() != 0) {
        return;
    }
    TPipe pipe;
    TBuf<TPosition::VECCALC> ub;
    pipe.InitBuffer(ub, 4096);
    LocalTensor<half> in = ub.GetWithOffset<half>(512, 0), out = ub.GetWithOffset<half>(768, 1024);
    GlobalTensor<half> source, target;
    source.SetGlobalBuffer((__gm__ half *)x);
    target.SetGlobalBuffer((__gm__ half *)y);
    DataCopy(in, source, 512);
    PipeBarrier<PIPE_ALL>();
    LocalTensor<half> from[16], to[16];
    for (uint32_t i = 0; i < 16; ++i) {
        from[i] = in[i * 16];
        to[i] = out[i * 16];
    }
    TransDataTo5HD<half>(to, from, TransDataTo5HDParams(false, false, 2, 16, 16));
    Transpose(out[512], in);
    PipeBarrier<PIPE_ALL>();
    DataCopy(target, out, 768);
}

#if __CCE_AICORE__ == 220
// What only the 910B has: rows of 40 bytes in and out, spreading, picking, limits and a counting mask.
extern "C" __global__ __aicore__ void only_910b(GM_ADDR x, GM_ADDR y, GM_ADDR rows, GM_ADDR workspace, GM_ADDR tiling)
{
    if ASCEND_IS_AIC {
        return;
    }
    if (GetSubBlockIdx() != 0) {
        return;
    }
    TPipe pipe;
    TBuf<TPosition::VECCALC> ub;
    pipe.InitBuffer(ub, 8192);
    LocalTensor<float> in = ub.GetWithOffset<float>(64, 0), out = ub.GetWithOffset<float>(64, 256);
    LocalTensor<float> padded = ub.GetWithOffset<float>(48, 512);
    LocalTensor<uint32_t> offsets = ub.GetWithOffset<uint32_t>(64, 1024);
    GlobalTensor<float> source, target, narrow;
    source.SetGlobalBuffer((__gm__ float *)x);
    target.SetGlobalBuffer((__gm__ float *)y);
    narrow.SetGlobalBuffer((__gm__ float *)rows);
    DataCopy(in, source, 64);
    DataCopyPad(padded, source, DataCopyExtParams(3, 40, 8, 0, 0), DataCopyPadExtParams<float>(true, 0, 6, 9.0f));
    PipeBarrier<PIPE_ALL>();
    DataCopyPad(narrow, padded, DataCopyExtParams(3, 40, 0, 0, 0));
    Brcb(out, in, 1, BrcbRepeatParams(1, 8));
    PipeBarrier<PIPE_ALL>();
    DataCopy(target, out, 64);
    PipeBarrier<PIPE_ALL>();
    for (uint32_t i = 0; i < 64; ++i) {
        offsets.SetValue(i, (63 - i) * 4);
    }
    PipeBarrier<PIPE_ALL>();
    Gather(out, in, offsets, 0, 64);
    PipeBarrier<PIPE_ALL>();
    DataCopy(target[64], out, 64);
    PipeBarrier<PIPE_ALL>();
    Maxs(out, in, 0.0f, 64);
    PipeBarrier<PIPE_V>();
    Mins(out, out, 0.5f, 64);
    PipeBarrier<PIPE_ALL>();
    DataCopy(target[128], out, 64);
    PipeBarrier<PIPE_ALL>();
    Copy(out, in, 64, 1, CopyRepeatParams(1, 1, 8, 8));
    PipeBarrier<PIPE_V>();
    SetMaskCount();
    SetVectorMask<float, MaskMode::COUNTER>(0, 20);
    Adds<float, false>(out, out, 1.0f, MASK_PLACEHOLDER, 1, UnaryRepeatParams(1, 1, 8, 8));
    SetMaskNorm();
    ResetMask();
    PipeBarrier<PIPE_ALL>();
    DataCopy(target[192], out, 64);
    PipeBarrier<PIPE_ALL>();
    DataCopy(target[256], padded, 48);
}
#endif
