// The operator GatedDeltaRuleForward: its arguments, the shapes of its results, and how it is launched.

#include "launch.h"

namespace optiling {

static ge::graphStatus LaunchForward(gert::TilingContext* context) { return sfm::Launch(context, false); }

}  // namespace optiling

namespace ge {

// out (B, T, H, V), final_state (B, H, K, V), states (N, M, K V).
static graphStatus ForwardShapes(gert::InferShapeContext* context)
{
    const gert::Shape& q = *context->GetInputShape(0);
    const gert::Shape& v = *context->GetInputShape(2);
    const gert::Shape& row_exponents = *context->GetInputShape(3);
    *context->GetOutputShape(0) = v;
    *context->GetOutputShape(1) = *context->GetInputShape(9);
    *context->GetOutputShape(2) = gert::Shape({row_exponents.GetDim(0), row_exponents.GetDim(1), q.GetDim(3) * v.GetDim(3)});
    return GRAPH_SUCCESS;
}

static graphStatus ForwardTypes(gert::InferDataTypeContext* context)
{
    const DataType types[] = {DT_FLOAT16, DT_FLOAT, DT_FLOAT16};
    for (size_t output = 0; output < 3; ++output) {
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
        const sfm::Types half = {ge::DT_FLOAT16}, fp32 = {ge::DT_FLOAT};
        sfm::Declare(*this,
                     {{"q", half}, {"k", half}, {"v", half}, {"row_exponents", half}, {"column_exponents", half},
                      {"factors", half}, {"whole", fp32}, {"minus_identity", half}, {"mask", half}, {"state", fp32}},
                     {{"out", half}, {"final_state", fp32}, {"states", half}});
        SetInferShape(ge::ForwardShapes).SetInferDataType(ge::ForwardTypes);
        AICore().SetTiling(optiling::LaunchForward).AddConfig("ascend910").AddConfig("ascend910b");
    }
};

OP_ADD(GatedDeltaRuleForward);

}  // namespace ops
