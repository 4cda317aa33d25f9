// Cube kernels without a mistake, through each chip's own data paths.
#include "kernel_operator.h"

using namespace AscendC;

struct MatmulTiling {
    uint32_t m, n, k;
};

// C (m x n, float) = A (m x k) * B (k x n), row-major in GM, through the chip's own data paths.
class Matmul {
public:
    __aicore__ inline Matmul() {}
    __aicore__ inline void Run(GM_ADDR a, GM_ADDR b, GM_ADDR c, const __gm__ MatmulTiling *tiling)
    {
        m_ = tiling->m;
        n_ = tiling->n;
        k_ = tiling->k;
        a_.SetGlobalBuffer((__gm__ half *)a);
        b_.SetGlobalBuffer((__gm__ half *)b);
        c_.SetGlobalBuffer((__gm__ float *)c);
        pipe_.InitBuffer(a1_, m_ * k_ * sizeof(half));
        pipe_.InitBuffer(b1_, k_ * n_ * sizeof(half));
        pipe_.InitBuffer(a2_, m_ * k_ * sizeof(half));
        pipe_.InitBuffer(b2_, k_ * n_ * sizeof(half));
        pipe_.InitBuffer(co1_, m_ * n_ * sizeof(float));
        ToL1(a1_.Get<half>(), a_, m_, k_);
        ToL1(b1_.Get<half>(), b_, k_, n_);
        TEventID id = pipe_.AllocEventID<HardEvent::MTE2_MTE1>();
        SetFlag<HardEvent::MTE2_MTE1>(id);
        WaitFlag<HardEvent::MTE2_MTE1>(id);
        ToL0();
        id = pipe_.AllocEventID<HardEvent::MTE1_M>();
        SetFlag<HardEvent::MTE1_M>(id);
        WaitFlag<HardEvent::MTE1_M>(id);
        MmadParams params;
        params.m = m_;
        params.n = n_;
        params.k = k_;
        Mmad(co1_.Get<float>(), a2_.Get<half>(), b2_.Get<half>(), params);
        Store();
    }

private:
    __aicore__ inline void ToL1(const LocalTensor<half> &nz, const GlobalTensor<half> &nd, uint32_t rows, uint32_t columns)
    {
#if __CCE_AICORE__ == 220
        DataCopy(nz, nd, Nd2NzParams(1, rows, columns, 0, columns, rows, 1, 0));
#else
        for (uint32_t j = 0; j < columns / 16; ++j) {
            DataCopy(nz[j * rows * 16], nd[j * 16], DataCopyParams(rows, 1, columns / 16 - 1, 0));
        }
#endif
    }
    __aicore__ inline void ToL0()
    {
        LocalTensor<half> a1 = a1_.Get<half>(), b1 = b1_.Get<half>(), a2 = a2_.Get<half>(), b2 = b2_.Get<half>();
        for (uint32_t i = 0; i < m_ / 16; ++i) {
            LoadData2DParams params;
            params.startIndex = i;
            params.repeatTimes = k_ / 16;
            params.srcStride = m_ / 16;
            LoadData(a2[i * k_ * 16], a1, params);
        }
        for (uint32_t i = 0; i < k_ / 16; ++i) {
            LoadData2DParams params;
            params.startIndex = i;
            params.repeatTimes = n_ / 16;
            params.srcStride = k_ / 16;
            params.ifTranspose = true;
            LoadData(b2[i * n_ * 16], b1, params);
        }
    }
    __aicore__ inline void Store()
    {
#if __CCE_AICORE__ == 220
        TEventID id = pipe_.AllocEventID<HardEvent::M_FIX>();
        SetFlag<HardEvent::M_FIX>(id);
        WaitFlag<HardEvent::M_FIX>(id);
        Fixpipe<float, float, CFG_ROW_MAJOR>(c_, co1_.Get<float>(), FixpipeParamsV220(n_, m_, m_, n_, false));
#else
        pipe_.InitBuffer(co2_, m_ * n_ * sizeof(float));
        LocalTensor<float> nz = co2_.Get<float>();
        TEventID id = pipe_.AllocEventID<HardEvent::M_V>();
        SetFlag<HardEvent::M_V>(id);
        WaitFlag<HardEvent::M_V>(id);
        DataCopyEnhancedParams enhanced;
        enhanced.blockMode = BlockMode::BLOCK_MODE_MATRIX;
        DataCopy(nz, co1_.Get<float>(), DataCopyParams(1, m_ * n_ / 256, 0, 0), enhanced);
        id = pipe_.AllocEventID<HardEvent::V_MTE3>();
        SetFlag<HardEvent::V_MTE3>(id);
        WaitFlag<HardEvent::V_MTE3>(id);
        for (uint32_t j = 0; j < n_ / 16; ++j) {
            DataCopy(c_[j * 16], nz[j * m_ * 16], DataCopyParams(m_, 2, 0, n_ / 8 - 2));
        }
#endif
    }

    TPipe pipe_;
    TBuf<TPosition::A1> a1_;
    TBuf<TPosition::B1> b1_;
    TBuf<TPosition::A2> a2_;
    TBuf<TPosition::B2> b2_;
    TBuf<TPosition::CO1> co1_;
#if __CCE_AICORE__ != 220
    TBuf<TPosition::VECCALC> co2_;
#endif
    GlobalTensor<half> a_, b_;
    GlobalTensor<float> c_;
    uint32_t m_ = 0, n_ = 0, k_ = 0;
};

extern "C" __global__ __aicore__ void matmul(GM_ADDR a, GM_ADDR b, GM_ADDR c, GM_ADDR workspace, GM_ADDR tiling)
{
    if ASCEND_IS_AIV {
        return;
    }
    Matmul matmul;
    matmul.Run(a, b, c, reinterpret_cast<__gm__ MatmulTiling *>(tiling));
}

// D = half(A * B) * B for 32 x 32 matrices: the first product stays on the chip and becomes an operand of the second.
class ChainedMatmul {
public:
    static constexpr uint32_t kSize = 32;
    static constexpr uint32_t kElements = kSize * kSize;

    __aicore__ inline ChainedMatmul() {}
    __aicore__ inline void Run(GM_ADDR a, GM_ADDR b, GM_ADDR d)
    {
        pipe_.InitBuffer(a1_, kElements * sizeof(half));
        pipe_.InitBuffer(b1_, kElements * sizeof(half));
        pipe_.InitBuffer(a2_, kElements * sizeof(half));
        pipe_.InitBuffer(b2_, kElements * sizeof(half));
        pipe_.InitBuffer(co1_, kElements * sizeof(float));
        Load(a1_.Get<half>(), a);
        Load(b1_.Get<half>(), b);
        Multiply();
        Hand();
        Multiply();
        Store(d);
    }

private:
    __aicore__ inline void Load(const LocalTensor<half> &nz, GM_ADDR address)
    {
        GlobalTensor<half> nd;
        nd.SetGlobalBuffer((__gm__ half *)address);
        for (uint32_t j = 0; j < kSize / 16; ++j) {
            DataCopy(nz[j * kSize * 16], nd[j * 16], DataCopyParams(kSize, 1, kSize / 16 - 1, 0));
        }
    }
    __aicore__ inline void Multiply()
    {
        PipeBarrier<PIPE_ALL>();
        LoadData2DParams params;
        params.repeatTimes = kSize / 16;
        params.srcStride = kSize / 16;
        for (uint32_t i = 0; i < kSize / 16; ++i) {
            params.startIndex = i;
            params.ifTranspose = false;
            LoadData(a2_.Get<half>()[i * kSize * 16], a1_.Get<half>(), params);
            params.ifTranspose = true;
            LoadData(b2_.Get<half>()[i * kSize * 16], b1_.Get<half>(), params);
        }
        PipeBarrier<PIPE_ALL>();
        MmadParams product;
        product.m = product.n = product.k = kSize;
        Mmad(co1_.Get<float>(), a2_.Get<half>(), b2_.Get<half>(), product);
        PipeBarrier<PIPE_ALL>();
    }
#if __CCE_AICORE__ == 220
    __aicore__ inline void Hand()
    {
        FixpipeParamsV220 params(kSize, kSize, kSize, kSize, false);
        params.quantPre = QuantMode_t::F322F16;
        Fixpipe<half, float, CFG_NZ>(a1_.Get<half>(), co1_.Get<float>(), params);
    }
    __aicore__ inline void Store(GM_ADDR d)
    {
        GlobalTensor<half> nd;
        nd.SetGlobalBuffer((__gm__ half *)d);
        FixpipeParamsV220 params(kSize, kSize, kSize, kSize, true);
        params.quantPre = QuantMode_t::F322F16;
        Fixpipe<half, float, CFG_ROW_MAJOR>(nd, co1_.Get<float>(), params);
    }
#else
    __aicore__ inline void Hand()
    {
        pipe_.InitBuffer(co2_, kElements * sizeof(half));
        DataCopyEnhancedParams enhanced;
        enhanced.blockMode = BlockMode::BLOCK_MODE_MATRIX;
        DataCopy(co2_.Get<half>(), co1_.Get<float>(), DataCopyParams(2, kElements / 512, 0, 0), enhanced);
        SetFlag<HardEvent::V_MTE3>(0);
        WaitFlag<HardEvent::V_MTE3>(0);
        DataCopy(a1_.Get<half>(), co2_.Get<half>(), kElements);
    }
    __aicore__ inline void Store(GM_ADDR d)
    {
        GlobalTensor<half> nd;
        nd.SetGlobalBuffer((__gm__ half *)d);
        LocalTensor<half> nz = co2_.Get<half>();
        DataCopyEnhancedParams enhanced;
        enhanced.blockMode = BlockMode::BLOCK_MODE_MATRIX;
        enhanced.isRelu = true;
        DataCopy(nz, co1_.Get<float>(), DataCopyParams(1, kElements / 256, 0, 0), enhanced);
        PipeBarrier<PIPE_ALL>();
        for (uint32_t j = 0; j < kSize / 16; ++j) {
            DataCopy(nd[j * 16], nz[j * kSize * 16], DataCopyParams(kSize, 1, 0, kSize / 16 - 1));
        }
    }
    TBuf<TPosition::VECCALC> co2_;
#endif
    TPipe pipe_;
    TBuf<TPosition::A1> a1_;
    TBuf<TPosition::B1> b1_;
    TBuf<TPosition::A2> a2_;
    TBuf<TPosition::B2> b2_;
    TBuf<TPosition::CO1> co1_;
};

extern "C" __global__ __aicore__ void chained_matmul(GM_ADDR a, GM_ADDR b, GM_ADDR d, GM_ADDR workspace, GM_ADDR tiling)
{
    if ASCEND_IS_AIV {
        return;
    }
    ChainedMatmul matmul;
    matmul.Run(a, b, d);
}
