// The operator GatedDeltaRuleForward: its arguments, the shapes of its results, and how it is launched.

#include "launch.h"

namespace optiling {

static ge::graphStatus LaunchForward(gert::TilingContext* context) { return sfm::Launch(context, 2, 3, false); }

}  // namespace optiling

namespace ge {

// out (B, T, H, V), final_state (B, H, K, V), states (N, M, K V), corrections (N, M, C V).
static graphStatus ForwardShapes(gert::InferShapeContext* context)
{
    const gert::Shape& q = *context->GetInputShape(0);
    const gert::Shape& v = *context->GetInputShape(2);
    const gert::Shape& sum_blocks = *context->GetInputShape(3);
    const int64_t num_sequences = sum_blocks.GetDim(0), num_chunks = sum_blocks.GetDim(1), chunk = sum_blocks.GetDim(2);
    *context->GetOutputShape(0) = v;
    *context->GetOutputShape(1) = *context->GetInputShape(9);
    *context->GetOutputShape(2) = gert::Shape({num_sequences, num_chunks, q.GetDim(3) * v.GetDim(3)});
    *context->GetOutputShape(3) = gert::Shape({num_sequences, num_chunks, chunk * v.GetDim(3)});
    return GRAPH_SUCCESS;
}

static graphStatus ForwardTypes(gert::InferDataTypeContext* context)
{
    const DataType types[] = {DT_FLOAT16, DT_FLOAT, DT_FLOAT16, DT_FLOAT16};
    for (size_t output = 0; output < 4; ++output) {
        context->SetOutputDataType(output, types[output]);
    }
    return GRAPH_SUCCESS;
}

}  // namespace ge

namespace ops {

class GatedDeltaRuleForward : public OpDef {
public:
    explicit GatedDeltaRuleForward(const char* name) : OpDef(name)
    {
        const std::pair<const char*, ge::DataType> inputs[] = {
            {"q", ge::DT_FLOAT16}, {"k", ge::DT_FLOAT16}, {"v", ge::DT_FLOAT16}, {"sum_blocks", ge::DT_FLOAT},
            {"weighted_sum", ge::DT_FLOAT}, {"factors", ge::DT_FLOAT16}, {"whole", ge::DT_FLOAT}, {"identity", ge::DT_FLOAT16},
            {"mask", ge::DT_FLOAT}, {"state", ge::DT_FLOAT}};
        const std::pair<const char*, ge::DataType> outputs[] = {
            {"out", ge::DT_FLOAT16}, {"final_state", ge::DT_FLOAT}, {"states", ge::DT_FLOAT16}, {"corrections", ge::DT_FLOAT16}};
        for (const auto& [input, type] : inputs) {
            Input(input).ParamType(REQUIRED).DataType({type}).Format({ge::FORMAT_ND});
        }
        for (const auto& [output, type] : outputs) {
            Output(output).ParamType(REQUIRED).DataType({type}).Format({ge::FORMAT_ND});
        }
        Attr("scale").AttrType(REQUIRED).Float();
        Attr("keeps").AttrType(REQUIRED).Bool();
        SetInferShape(ge::ForwardShapes).SetInferDataType(ge::ForwardTypes);
        AICore().SetTiling(optiling::LaunchForward).AddConfig("ascend910");
    }
};

OP_ADD(GatedDeltaRuleForward);

}  // namespace ops
