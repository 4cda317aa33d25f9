// The operator GatedDeltaRuleBackward: its arguments, the shapes of its results, and how it is launched.

#include "launch.h"

namespace optiling {

static ge::graphStatus LaunchBackward(gert::TilingContext* context) { return sfm::Launch(context, 13, 2, true); }

}  // namespace optiling

namespace ge {

// d_q, d_k (B, T, H, K), d_v (B, T, H, V), d_state (B, H, K, V), sums (N, M, 5 C + V).
static graphStatus BackwardShapes(gert::InferShapeContext* context)
{
    const gert::Shape& sum_blocks = *context->GetInputShape(2);
    const gert::Shape& d_out = *context->GetInputShape(13);
    const int64_t num_sums = 5 * sum_blocks.GetDim(2) + d_out.GetDim(3);
    *context->GetOutputShape(0) = *context->GetInputShape(0);
    *context->GetOutputShape(1) = *context->GetInputShape(1);
    *context->GetOutputShape(2) = d_out;
    *context->GetOutputShape(3) = *context->GetInputShape(14);
    *context->GetOutputShape(4) = gert::Shape({sum_blocks.GetDim(0), sum_blocks.GetDim(1), num_sums});
    return GRAPH_SUCCESS;
}

static graphStatus BackwardTypes(gert::InferDataTypeContext* context)
{
    const DataType types[] = {DT_FLOAT16, DT_FLOAT16, DT_FLOAT16, DT_FLOAT, DT_FLOAT};
    for (size_t output = 0; output < 5; ++output) {
        context->SetOutputDataType(output, types[output]);
    }
    return GRAPH_SUCCESS;
}

}  // namespace ge

namespace ops {

class GatedDeltaRuleBackward : public OpDef {
public:
    explicit GatedDeltaRuleBackward(const char* name) : OpDef(name)
    {
        const std::pair<const char*, ge::DataType> inputs[] = {
            {"q", ge::DT_FLOAT16}, {"k", ge::DT_FLOAT16}, {"sum_blocks", ge::DT_FLOAT}, {"weighted_sum", ge::DT_FLOAT},
            {"factors", ge::DT_FLOAT16}, {"whole", ge::DT_FLOAT}, {"identity", ge::DT_FLOAT16}, {"mask", ge::DT_FLOAT},
            {"sum", ge::DT_FLOAT}, {"minus_beta", ge::DT_FLOAT}, {"prefix", ge::DT_FLOAT16}, {"states", ge::DT_FLOAT16},
            {"corrections", ge::DT_FLOAT16}, {"d_out", ge::DT_FLOAT16}, {"d_final_state", ge::DT_FLOAT}};
        const std::pair<const char*, ge::DataType> outputs[] = {
            {"d_q", ge::DT_FLOAT16}, {"d_k", ge::DT_FLOAT16}, {"d_v", ge::DT_FLOAT16}, {"d_state", ge::DT_FLOAT},
            {"sums", ge::DT_FLOAT}};
        for (const auto& [input, type] : inputs) {
            Input(input).ParamType(REQUIRED).DataType({type}).Format({ge::FORMAT_ND});
        }
        for (const auto& [output, type] : outputs) {
            Output(output).ParamType(REQUIRED).DataType({type}).Format({ge::FORMAT_ND});
        }
        Attr("scale").AttrType(REQUIRED).Float();
        SetInferShape(ge::BackwardShapes).SetInferDataType(ge::BackwardTypes);
        AICore().SetTiling(optiling::LaunchBackward).AddConfig("ascend910");
    }
};

OP_ADD(GatedDeltaRuleBackward);

}  // namespace ops
