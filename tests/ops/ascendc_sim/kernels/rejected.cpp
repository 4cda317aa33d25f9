// Calls that a chip does not have; each must fail to compile with a text that says so (test_rejections.py).
#include "kernel_operator.h"

using namespace AscendC;

struct Tiling {
    uint32_t length;
};

extern "C" __global__ __aicore__ void rejected(GM_ADDR x, GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling)
{
    GlobalTensor<half> gm;
    LocalTensor<half> a, b;
    LocalTensor<float> f;
    LocalTensor<int8_t> bytes;
    LocalTensor<int64_t> wide;
    LocalTensor<uint32_t> offsets;
#if __CCE_AICORE__ == 100
    DataCopyPad(a, gm, DataCopyExtParams(1, 6, 0, 0, 0), DataCopyPadExtParams<half>(false, 0, 0, 0));
    DataCopyPad(gm, a, DataCopyExtParams(1, 6, 0, 0, 0));
    DataCopy(a, gm, Nd2NzParams(1, 16, 16, 0, 16, 16, 1, 0));
    Brcb(a, b, 1, BrcbRepeatParams(1, 8));
    Gather(a, b, offsets, 0, 16);
    Copy(a, b, 128, 1, CopyRepeatParams(1, 1, 8, 8));
    Fixpipe<float, float, CFG_ROW_MAJOR>(GlobalTensor<float>(), f, FixpipeParamsV220(16, 16, 16, 16, false));
    Maxs(a, b, (half)0, 16);
    CrossCoreSetFlag<2, PIPE_MTE3>(0);
    CrossCoreWaitFlag(0);
    SetMaskCount();
    SetAtomicAdd<half>();
    LocalTensor<bfloat16_t> brain;
    brain.GetSize();
    Relu(f, f, 16);
    Cast(bytes, a, RoundMode::CAST_NONE, 16);
#else
    DataCopyEnhancedParams enhanced;
    DataCopy(f, f, DataCopyParams(1, 1, 0, 0), enhanced);
    And(f, f, f, 16);
#endif
    GET_TILING_DATA(data, tiling);
    Add(wide, wide, wide, 16);
    Mmad(f, a, f, MmadParams());
    Exp(offsets, offsets, 16);
}
