// What both kernels' tiling functions do: sizes from shapes, the group from the memories, cores from the sequences.

#pragma once

#include "budget.h"
#include "operator.h"

namespace sfm {

inline bool IsSplit(const platform_ascendc::PlatformAscendC& platform)
{
    return platform.GetSocVersion() == platform_ascendc::SocVersion::ASCEND910B;
}

inline CoreMemories MemoriesOf(const platform_ascendc::PlatformAscendC& platform)
{
    using platform_ascendc::CoreMemType;
    CoreMemories core;
    core.num_shares = IsSplit(platform) ? 2 : 1;
    core.bytes.l1 = MemoryBytes(platform, CoreMemType::L1);
    core.bytes.unified = MemoryBytes(platform, CoreMemType::UB);
    core.bytes.l0c = MemoryBytes(platform, CoreMemType::L0_C);
    core.bytes.l0 = std::min(MemoryBytes(platform, CoreMemType::L0_A), MemoryBytes(platform, CoreMemType::L0_B)) / 2;
    return core;
}

// The first arguments, q (B, T, H, K), k, v (B, T, H, V) and row_exponents (N, M, C, 16), say all sizes. The forward kernel
// cannot know whether a gradient follows, so it always keeps the states that it would need.
inline ge::graphStatus Launch(gert::TilingContext* context, bool is_backward)
{
    const platform_ascendc::PlatformAscendC platform(context->GetPlatformInfo());
    const gert::Shape& q = context->GetInputShape(0)->GetStorageShape();
    const gert::Shape& v = context->GetInputShape(2)->GetStorageShape();
    const gert::Shape& row_exponents = context->GetInputShape(3)->GetStorageShape();
    Tiling& sizes = *context->GetTilingData<Tiling>();
    sizes.num_heads = q.GetDim(2);
    sizes.num_sequences = row_exponents.GetDim(0);
    sizes.num_chunks = row_exponents.GetDim(1);
    sizes.chunk = row_exponents.GetDim(2);
    sizes.key_dim = q.GetDim(3);
    sizes.value_dim = v.GetDim(3);
    sizes.chunks_per_group = ChunksPerGroup(sizes, MemoriesOf(platform), is_backward);
    if (sizes.chunks_per_group == 0) {
        return ge::GRAPH_FAILED;  // a chunk of this width fits in no memory of this chip
    }
    const uint32_t cores = IsSplit(platform) ? platform.GetCoreNumAic() : platform.GetCoreNum();
    const uint32_t blocks = std::min<uint32_t>(sizes.num_sequences, cores);
    return Launched<Tiling>(context, platform, blocks, IsSplit(platform) ? blocks * PATHS_BYTES : 0);
}

}  // namespace sfm
