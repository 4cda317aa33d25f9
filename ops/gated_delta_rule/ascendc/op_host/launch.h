// What both kernels' tiling functions do: sizes from shapes, the group from the memories, cores from the sequences.

#pragma once

#include "budget.h"
#include "register/op_def_registry.h"
#include "tiling/platform/platform_ascendc.h"

namespace sfm {

constexpr int64_t RESERVED = 8 * 1024;  // of the unified buffer, by the system

inline Bytes CoreMemory(const platform_ascendc::PlatformAscendC& platform)
{
    using platform_ascendc::CoreMemType;
    uint64_t l1 = 0, unified = 0, l0c = 0, l0a = 0, l0b = 0;
    platform.GetCoreMemSize(CoreMemType::L1, l1);
    platform.GetCoreMemSize(CoreMemType::UB, unified);
    platform.GetCoreMemSize(CoreMemType::L0_C, l0c);
    platform.GetCoreMemSize(CoreMemType::L0_A, l0a);
    platform.GetCoreMemSize(CoreMemType::L0_B, l0b);
    Bytes memory;
    memory.l1 = l1;
    memory.unified = unified - RESERVED;
    memory.l0c = l0c;
    memory.l0 = std::min(l0a, l0b) / 2;
    return memory;
}

// q (B, T, H, K), an argument of width V, and sum_blocks (N, M, C, 8) say all sizes.
inline ge::graphStatus Launch(gert::TilingContext* context, size_t values_input, size_t sum_blocks_input, bool is_backward)
{
    const platform_ascendc::PlatformAscendC platform(context->GetPlatformInfo());
    const gert::Shape& q = context->GetInputShape(0)->GetStorageShape();
    const gert::Shape& values = context->GetInputShape(values_input)->GetStorageShape();
    const gert::Shape& sum_blocks = context->GetInputShape(sum_blocks_input)->GetStorageShape();
    Tiling& sizes = *context->GetTilingData<Tiling>();
    sizes.num_heads = q.GetDim(2);
    sizes.num_sequences = sum_blocks.GetDim(0);
    sizes.num_chunks = sum_blocks.GetDim(1);
    sizes.chunk = sum_blocks.GetDim(2);
    sizes.key_dim = q.GetDim(3);
    sizes.value_dim = values.GetDim(3);
    sizes.scale = *context->GetAttrs()->GetAttrPointer<float>(0);
    sizes.keeps = is_backward || *context->GetAttrs()->GetAttrPointer<bool>(1);
    sizes.chunks_per_group = ChunksPerGroup(sizes, CoreMemory(platform), is_backward);
    if (sizes.chunks_per_group == 0) {
        return ge::GRAPH_FAILED;  // a chunk of this width fits in no memory of this chip
    }
    context->GetRawTilingData()->SetDataSize(sizeof(Tiling));
    context->SetBlockDim(std::min<uint32_t>(sizes.num_sequences, platform.GetCoreNum()));
    context->GetWorkspaceSizes(1)[0] = platform.GetLibApiWorkSpaceSize();
    return ge::GRAPH_SUCCESS;
}

}  // namespace sfm
