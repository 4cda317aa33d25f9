// The gradient of the gated delta rule. A core takes whole sequences, from the last chunk to the first, and keeps the gradient
// with respect to the state on chip.

#include "core.h"
#include "gradient_pass.h"

namespace sfm {

__aicore__ inline void Process(Core<GradientProblem, GradientPass>& core)
{
    const GradientProblem& problem = core.problem;
    core.Start();
    for (int32_t sequence = BlockIndex(); sequence < problem.sizes.num_sequences; sequence += GetBlockNum()) {
        core.state.Load(problem.d_final_state[core.StateStart(sequence)]);
        core.RunBack(sequence);
        core.state.Store(problem.d_state[core.StateStart(sequence)]);
    }
    core.Stop();
}

}  // namespace sfm

extern "C" __global__ __aicore__ void gated_delta_rule_backward(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR row_exponents, GM_ADDR column_exponents, GM_ADDR factors, GM_ADDR whole,
    GM_ADDR minus_identity, GM_ADDR mask, GM_ADDR unweighted_exponents, GM_ADDR minus_beta, GM_ADDR states, GM_ADDR d_out,
    GM_ADDR d_final_state,
    GM_ADDR d_q, GM_ADDR d_k, GM_ADDR d_v, GM_ADDR d_state, GM_ADDR sums, GM_ADDR workspace, GM_ADDR tiling)
{
    KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);  // on the 910B
    sfm::GradientProblem problem;
    problem.sizes = *reinterpret_cast<__gm__ sfm::Tiling*>(tiling);
    sfm::Set(problem.q, q);
    sfm::Set(problem.k, k);
    sfm::Set(problem.v, v);
    sfm::Set(problem.row_exponents, row_exponents);
    sfm::Set(problem.column_exponents, column_exponents);
    sfm::Set(problem.unweighted_exponents, unweighted_exponents);
    sfm::Set(problem.minus_beta, minus_beta);
    sfm::Set(problem.factors, factors);
    sfm::Set(problem.whole, whole);
    sfm::Set(problem.minus_identity, minus_identity);
    sfm::Set(problem.mask, mask);
    sfm::Set(problem.states, states);
    sfm::Set(problem.d_out, d_out);
    sfm::Set(problem.d_final_state, d_final_state);
    sfm::Set(problem.d_q, d_q);
    sfm::Set(problem.d_k, d_k);
    sfm::Set(problem.d_v, d_v);
    sfm::Set(problem.d_state, d_state);
    sfm::Set(problem.sums, sums);
    sfm::Core<sfm::GradientProblem, sfm::GradientPass> core(problem);
    core.Init(workspace);
    sfm::Process(core);
}
