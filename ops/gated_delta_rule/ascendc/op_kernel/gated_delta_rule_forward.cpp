// The gated delta rule over chunks, forward. A core takes whole sequences (heads of batch rows), and keeps their state on chip.
//
// problem.h says what the arguments are, preparation.h and state_pass.h what is computed. Signs are in `whole` and `factors`,
// and in v and out, which the host multiplies by the running sign inside a chunk.

#include "core.h"
#include "state_pass.h"

namespace sfm {

__aicore__ inline void Process(Core<ForwardProblem, StatePass>& core)
{
    const ForwardProblem& problem = core.problem;
    core.Start();
    for (int32_t sequence = BlockIndex(); sequence < problem.sizes.num_sequences; sequence += GetBlockNum()) {
        core.state.Load(problem.state[core.StateStart(sequence)]);
        core.Run(sequence);
        core.state.Store(problem.final_state[core.StateStart(sequence)]);
    }
    core.Stop();
}

}  // namespace sfm

extern "C" __global__ __aicore__ void gated_delta_rule_forward(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR row_exponents, GM_ADDR column_exponents, GM_ADDR factors, GM_ADDR whole,
    GM_ADDR minus_identity, GM_ADDR mask, GM_ADDR state, GM_ADDR out, GM_ADDR final_state, GM_ADDR states, GM_ADDR workspace,
    GM_ADDR tiling)
{
    KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);  // on the 910B
    sfm::ForwardProblem problem;
    problem.sizes = *reinterpret_cast<__gm__ sfm::Tiling*>(tiling);
    sfm::Set(problem.q, q);
    sfm::Set(problem.k, k);
    sfm::Set(problem.v, v);
    sfm::Set(problem.row_exponents, row_exponents);
    sfm::Set(problem.column_exponents, column_exponents);
    sfm::Set(problem.factors, factors);
    sfm::Set(problem.whole, whole);
    sfm::Set(problem.minus_identity, minus_identity);
    sfm::Set(problem.mask, mask);
    sfm::Set(problem.state, state);
    sfm::Set(problem.out, out);
    sfm::Set(problem.final_state, final_state);
    sfm::Set(problem.states, states);
    sfm::Core<sfm::ForwardProblem, sfm::StatePass> core(problem);
    core.Init(workspace);
    sfm::Process(core);
}
