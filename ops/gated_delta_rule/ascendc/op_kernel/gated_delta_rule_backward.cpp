// The gradient of the gated delta rule. A core takes whole sequences, from the last chunk to the first, and keeps the gradient
// with respect to the state on chip.

#include "kernel_operator.h"
#include "gradient_pass.h"
#include "preparation.h"

namespace sfm {

class Backward {
public:
    __aicore__ inline Backward(const GradientProblem& problem)
        : problem_(problem), preparation_(problem_, prepared_, cube_), pass_(problem_, prepared_, cube_) {}

    __aicore__ inline void Init()
    {
        const Tiling& sizes = problem_.sizes;
        chip_.Init(pipe_, cube_);
        prepared_.Init(chip_.l1, sizes);
        d_state_ = chip_.unified.Take<float>(sizes.key_dim * sizes.value_dim);
        const int32_t l1 = chip_.l1.Mark(), unified = chip_.unified.Mark();
        preparation_.Init(chip_.l1, chip_.unified, chip_.l0c);
        chip_.l1.Reset(l1);
        chip_.unified.Reset(unified);
        chip_.l0c.Reset(0);
        pass_.Init(d_state_, chip_.l1, chip_.unified, chip_.l0c);
    }

    __aicore__ inline void Process()
    {
        const Tiling& sizes = problem_.sizes;
        const int32_t state_size = sizes.key_dim * sizes.value_dim;
        cube_.Start();
        pass_.Clear();
        for (int32_t sequence = GetBlockIdx(); sequence < sizes.num_sequences; sequence += GetBlockNum()) {
            LoadState(d_state_, problem_.d_final_state[static_cast<int64_t>(sequence) * state_size], sizes);
            for (int32_t end = sizes.num_chunks; end > 0; end = (end - 1) / sizes.chunks_per_group * sizes.chunks_per_group) {
                const int32_t first = (end - 1) / sizes.chunks_per_group * sizes.chunks_per_group;
                preparation_.Run(sequence, first, end - first);
                pass_.Run(sequence, first, end - first);
            }
            StoreState(problem_.d_state[static_cast<int64_t>(sequence) * state_size], d_state_, sizes);
        }
        cube_.Stop();
    }

private:
    TPipe pipe_;
    GradientProblem problem_;
    Prepared prepared_;
    Cube cube_;
    Preparation preparation_;
    GradientPass pass_;
    Chip chip_;
    LocalTensor<float> d_state_;
};

}  // namespace sfm

extern "C" __global__ __aicore__ void gated_delta_rule_backward(
    GM_ADDR q, GM_ADDR k, GM_ADDR sum_blocks, GM_ADDR weighted_sum, GM_ADDR factors, GM_ADDR whole, GM_ADDR identity,
    GM_ADDR mask, GM_ADDR sum, GM_ADDR minus_beta, GM_ADDR prefix, GM_ADDR states, GM_ADDR corrections, GM_ADDR d_out,
    GM_ADDR d_final_state,
    GM_ADDR d_q, GM_ADDR d_k, GM_ADDR d_v, GM_ADDR d_state, GM_ADDR sums, GM_ADDR workspace, GM_ADDR tiling)
{
    sfm::GradientProblem problem;
    problem.sizes = *reinterpret_cast<__gm__ sfm::Tiling*>(tiling);
    sfm::Set(problem.q, q);
    sfm::Set(problem.k, k);
    sfm::Set(problem.sum, sum);
    sfm::Set(problem.sum_blocks, sum_blocks);
    sfm::Set(problem.weighted_sum, weighted_sum);
    sfm::Set(problem.minus_beta, minus_beta);
    sfm::Set(problem.factors, factors);
    sfm::Set(problem.whole, whole);
    sfm::Set(problem.identity, identity);
    sfm::Set(problem.mask, mask);
    sfm::Set(problem.prefix, prefix);
    sfm::Set(problem.states, states);
    sfm::Set(problem.corrections, corrections);
    sfm::Set(problem.d_out, d_out);
    sfm::Set(problem.d_final_state, d_final_state);
    sfm::Set(problem.d_q, d_q);
    sfm::Set(problem.d_k, d_k);
    sfm::Set(problem.d_v, d_v);
    sfm::Set(problem.d_state, d_state);
    sfm::Set(problem.sums, sums);
    sfm::Backward backward(problem);
    backward.Init();
    backward.Process();
}
