// What preparation.h does, alone: T = (I + A)^-1 of every chunk, tiles' inverses merged to those of chunks.

#include "../../../ops/gated_delta_rule/ascendc/op_kernel/core.h"

namespace sfm {

struct InverseProblem : Problem {
    GlobalTensor<float> minus_t;  // (N, M, C, C) as NZ
};

// In place of a pass of the state: high and low half of T, added up and negated by the Cube, to global memory.
class Export {
public:
    __aicore__ inline Export(const InverseProblem& problem, const Prepared& prepared, const State&, Cube& cube, Paths& paths)
        : problem_(problem), prepared_(prepared), cube_(cube), paths_(paths) {}

    __aicore__ inline void Init(Arena<TPosition::A1>& l1, Arena<TPosition::VECCALC>& ub, Arena<TPosition::CO1>& l0c)
    {
        unit_ = l1.Take<half>(Size());
        product_ = l0c.Take<float>(Size());
        sum_ = ub.Take<float>(Size());
    }

    __aicore__ inline void Clear() {}

    // Chunks first .. first + count of a sequence. All pipes are idle before and after.
    __aicore__ inline void Run(int32_t sequence, int32_t first, int32_t count)
    {
        if (HasCube()) {
            DataCopy(unit_, problem_.minus_identity, Size());
        }
        PipeBarrier<PIPE_ALL>();
        const Matrix unit(unit_, prepared_.chunk, prepared_.chunk);
        for (int32_t index = 0; index < count; ++index) {
            cube_.Multiply(product_, prepared_.Of(prepared_.high, index), unit);
            cube_.Multiply(product_, prepared_.Of(prepared_.low, index), unit, true);
            PipeBarrier<PIPE_ALL>();
            paths_.ToVector(sum_, product_, Size(), IsMine(index));
            PipeBarrier<PIPE_ALL>();
            if (IsMine(index)) {
                DataCopy(problem_.minus_t[problem_.Chunk(sequence, first + index) * Size()], sum_, Size());
            }
            PipeBarrier<PIPE_ALL>();
        }
    }

private:
    __aicore__ inline int32_t Size() const { return problem_.sizes.chunk * problem_.sizes.chunk; }

    const InverseProblem& problem_;
    const Prepared& prepared_;
    Cube& cube_;
    Paths& paths_;
    LocalTensor<half> unit_;
    LocalTensor<float> product_, sum_;
};

__aicore__ inline void Process(Core<InverseProblem, Export>& core)
{
    core.Start();
    for (int32_t sequence = BlockIndex(); sequence < core.problem.sizes.num_sequences; sequence += GetBlockNum()) {
        core.Run(sequence);
    }
    core.Stop();
}

}  // namespace sfm

extern "C" __global__ __aicore__ void invert_chunks(GM_ADDR q, GM_ADDR k, GM_ADDR row_exponents, GM_ADDR column_exponents, GM_ADDR mask,
                                                    GM_ADDR minus_identity, GM_ADDR minus_t, GM_ADDR workspace, GM_ADDR tiling)
{
    sfm::InverseProblem problem;
    problem.sizes = *reinterpret_cast<__gm__ sfm::Tiling*>(tiling);
    sfm::Set(problem.q, q);
    sfm::Set(problem.k, k);
    sfm::Set(problem.row_exponents, row_exponents);
    sfm::Set(problem.column_exponents, column_exponents);
    sfm::Set(problem.mask, mask);
    sfm::Set(problem.minus_identity, minus_identity);
    sfm::Set(problem.minus_t, minus_t);
    sfm::Core<sfm::InverseProblem, sfm::Export> core(problem);
    core.Init(workspace);
    sfm::Process(core);
}
