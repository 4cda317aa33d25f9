// The gated delta rule over chunks, forward. A core takes whole sequences (heads of batch rows), and keeps their state on chip.
//
// problem.h says what the arguments are, preparation.h and state_pass.h what is computed. Signs are in `whole` and `factors`,
// and in v and out, which the host multiplies by the running sign inside a chunk.

#include "kernel_operator.h"
#include "preparation.h"
#include "state_pass.h"

namespace sfm {

class Forward {
public:
    __aicore__ inline Forward(const ForwardProblem& problem)
        : problem_(problem), preparation_(problem_, prepared_, cube_), pass_(problem_, prepared_, cube_) {}

    __aicore__ inline void Init()
    {
        const Tiling& sizes = problem_.sizes;
        chip_.Init(pipe_, cube_);
        prepared_.Init(chip_.l1, sizes);
        state_ = chip_.unified.Take<float>(sizes.key_dim * sizes.value_dim);
        const int32_t l1 = chip_.l1.Mark(), unified = chip_.unified.Mark();
        preparation_.Init(chip_.l1, chip_.unified, chip_.l0c);
        chip_.l1.Reset(l1);
        chip_.unified.Reset(unified);
        chip_.l0c.Reset(0);
        pass_.Init(state_, chip_.l1, chip_.unified, chip_.l0c);
    }

    __aicore__ inline void Process()
    {
        const int32_t state_size = problem_.sizes.key_dim * problem_.sizes.value_dim;
        cube_.Start();
        pass_.Clear();
        for (int32_t sequence = GetBlockIdx(); sequence < problem_.sizes.num_sequences; sequence += GetBlockNum()) {
            LoadState(state_, problem_.state[static_cast<int64_t>(sequence) * state_size], problem_.sizes);
            for (int32_t first = 0; first < problem_.sizes.num_chunks; first += problem_.sizes.chunks_per_group) {
                const int32_t left = problem_.sizes.num_chunks - first;
                const int32_t count = left < problem_.sizes.chunks_per_group ? left : problem_.sizes.chunks_per_group;
                preparation_.Run(sequence, first, count);
                pass_.Run(sequence, first, count);
            }
            StoreState(problem_.final_state[static_cast<int64_t>(sequence) * state_size], state_, problem_.sizes);
        }
        cube_.Stop();
    }

private:
    TPipe pipe_;
    ForwardProblem problem_;
    Prepared prepared_;
    Cube cube_;
    Preparation preparation_;
    StatePass pass_;
    Chip chip_;
    LocalTensor<float> state_;
};

}  // namespace sfm

extern "C" __global__ __aicore__ void gated_delta_rule_forward(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR sum_blocks, GM_ADDR weighted_sum, GM_ADDR factors, GM_ADDR whole, GM_ADDR identity,
    GM_ADDR mask, GM_ADDR state, GM_ADDR out, GM_ADDR final_state, GM_ADDR states,
    GM_ADDR corrections, GM_ADDR workspace, GM_ADDR tiling)
{
    sfm::ForwardProblem problem;
    problem.sizes = *reinterpret_cast<__gm__ sfm::Tiling*>(tiling);
    sfm::Set(problem.q, q);
    sfm::Set(problem.k, k);
    sfm::Set(problem.v, v);
    sfm::Set(problem.sum_blocks, sum_blocks);
    sfm::Set(problem.weighted_sum, weighted_sum);
    sfm::Set(problem.factors, factors);
    sfm::Set(problem.whole, whole);
    sfm::Set(problem.identity, identity);
    sfm::Set(problem.mask, mask);
    sfm::Set(problem.state, state);
    sfm::Set(problem.out, out);
    sfm::Set(problem.final_state, final_state);
    sfm::Set(problem.states, states);
    sfm::Set(problem.corrections, corrections);
    sfm::Forward forward(problem);
    forward.Init();
    forward.Process();
}
