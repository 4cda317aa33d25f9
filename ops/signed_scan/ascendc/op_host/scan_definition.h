// The host side of the signed scan, the same in both directions: arguments, the shape of the result, and the launch.

#pragma once

#include "operator.h"
#include "scan_budget.h"

namespace sfm {

// x (B, T, D) says all sizes.
inline ge::graphStatus LaunchScan(gert::TilingContext* context)
{
    const platform_ascendc::PlatformAscendC platform(context->GetPlatformInfo());
    const gert::Shape& x = context->GetInputShape(0)->GetStorageShape();
    const int64_t x_bytes = context->GetInputDesc(0)->GetDataType() == ge::DT_FLOAT16 ? 2 : 4;
    const int64_t cores = platform.GetCoreNumAiv();  // the 910's cores, and the vector cores of the 910B
    ScanTiling& sizes = *context->GetTilingData<ScanTiling>();
    sizes.num_batch = x.GetDim(0);
    sizes.num_steps = x.GetDim(1);
    sizes.num_channels = x.GetDim(2);
    sizes.channels_per_task = ChannelsPerTask(sizes, cores);
    sizes.steps_per_tile = StepsPerTile(sizes, MemoryBytes(platform, platform_ascendc::CoreMemType::UB), x_bytes);
    if (sizes.steps_per_tile == 0 || sizes.num_channels % 16 != 0) {
        return ge::GRAPH_FAILED;  // no step fits in the unified buffer, or rows do not start at multiples of 32 bytes
    }
    return Launched<ScanTiling>(context, platform, std::min(ScanTasks(sizes), cores));
}

inline ge::graphStatus ScanShape(gert::InferShapeContext* context)
{
    *context->GetOutputShape(0) = *context->GetInputShape(0);
    return ge::GRAPH_SUCCESS;
}

inline ge::graphStatus ScanType(gert::InferDataTypeContext* context)
{
    return context->SetOutputDataType(0, context->GetInputDataType(0));
}

// x (B, T, D), decay (B, T, D) and state (B, D) -> out (B, T, D).
inline void DefineScan(ops::OpDef& definition)
{
    const Types values = {ge::DT_FLOAT16, ge::DT_FLOAT}, fp32 = {ge::DT_FLOAT, ge::DT_FLOAT};
    Declare(definition, {{"x", values}, {"decay", fp32}, {"state", fp32}}, {{"out", values}});
    definition.SetInferShape(ScanShape).SetInferDataType(ScanType);
    definition.AICore().SetTiling(LaunchScan).AddConfig("ascend910").AddConfig("ascend910b");
}

}  // namespace sfm
