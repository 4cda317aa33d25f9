// What every operator's host side asks of CANN: arguments declared from a list, and the unified buffer of a core.
//
// The operators have no attributes: MindSpore hands those on in a different way at every optimisation level. C++11, as CANN's
// projects of operators are compiled.

#pragma once

#include <cstdint>
#include <vector>

#include "register/op_def_registry.h"
#include "tiling/platform/platform_ascendc.h"

namespace sfm {

using Types = std::vector<ge::DataType>;  // one for every combination of types that the kernel is compiled for

struct Argument {
    const char* name;
    Types types;
};

inline void Declare(ops::OpParamDef& parameter, const Types& types)
{
    parameter.ParamType(ops::REQUIRED).DataType(types).Format(std::vector<ge::Format>(types.size(), ge::FORMAT_ND));
}

inline void Declare(ops::OpDef& definition, const std::vector<Argument>& inputs, const std::vector<Argument>& outputs)
{
    for (const Argument& input : inputs) {
        Declare(definition.Input(input.name), input.types);
    }
    for (const Argument& output : outputs) {
        Declare(definition.Output(output.name), output.types);
    }
}

inline int64_t MemoryBytes(const platform_ascendc::PlatformAscendC& platform, platform_ascendc::CoreMemType type)
{
    using platform_ascendc::CoreMemType;
    const int64_t reserved = type == CoreMemType::UB ? 8 * 1024 : type == CoreMemType::L1 ? 256 : 0;  // by the system, at most
    uint64_t bytes = 0;
    platform.GetCoreMemSize(type, bytes);
    return static_cast<int64_t>(bytes) - reserved;
}

// Tells CANN how many bytes the kernel gets as its tiling, on how many cores it runs, and how many bytes of global memory it
// needs for itself.
template <typename Sizes>
ge::graphStatus Launched(gert::TilingContext* context, const platform_ascendc::PlatformAscendC& platform, uint32_t cores,
                         size_t workspace = 0)
{
    context->GetRawTilingData()->SetDataSize(sizeof(Sizes));
    context->SetBlockDim(cores);
    context->GetWorkspaceSizes(1)[0] = platform.GetLibApiWorkSpaceSize() + workspace;
    return ge::GRAPH_SUCCESS;
}

}  // namespace sfm
