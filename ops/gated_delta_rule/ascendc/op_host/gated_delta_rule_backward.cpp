// The operator GatedDeltaRuleBackward: its arguments, the shapes of its results, and how it is launched.

#include "launch.h"

namespace optiling {

static ge::graphStatus LaunchBackward(gert::TilingContext* context) { return sfm::Launch(context, true); }

}  // namespace optiling

namespace ge {

// d_q, d_k (B, T, H, K), d_v (B, T, H, V), d_state (B, H, K, V), sums (N, M, 5 C + V).
static graphStatus BackwardShapes(gert::InferShapeContext* context)
{
    const gert::Shape& row_exponents = *context->GetInputShape(3);
    const gert::Shape& v = *context->GetInputShape(2);
    const int64_t num_sums = 5 * row_exponents.GetDim(2) + v.GetDim(3);
    *context->GetOutputShape(0) = *context->GetInputShape(0);
    *context->GetOutputShape(1) = *context->GetInputShape(1);
    *context->GetOutputShape(2) = v;
    *context->GetOutputShape(3) = *context->GetInputShape(13);
    *context->GetOutputShape(4) = gert::Shape({row_exponents.GetDim(0), row_exponents.GetDim(1), num_sums});
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
        const sfm::Types half = {ge::DT_FLOAT16}, fp32 = {ge::DT_FLOAT};
        sfm::Declare(*this,
                     {{"q", half}, {"k", half}, {"v", half}, {"row_exponents", half}, {"column_exponents", half},
                      {"factors", half}, {"whole", fp32}, {"minus_identity", half}, {"mask", half},
                      {"unweighted_exponents", half}, {"minus_beta", fp32}, {"states", half}, {"d_out", half}, {"d_final_state", fp32}},
                     {{"d_q", half}, {"d_k", half}, {"d_v", half}, {"d_state", fp32}, {"sums", fp32}});
        SetInferShape(ge::BackwardShapes).SetInferDataType(ge::BackwardTypes);
        AICore().SetTiling(optiling::LaunchBackward).AddConfig("ascend910").AddConfig("ascend910b");
    }
};

OP_ADD(GatedDeltaRuleBackward);

}  // namespace ops
