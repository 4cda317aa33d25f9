// A core: its memories, and the two parts of its work, which share them one after the other.

#pragma once

#include "preparation.h"

namespace sfm {

template <typename Problem, typename Pass>
struct Core {
    __aicore__ inline Core(const Problem& arguments)
        : problem(arguments), preparation(problem, prepared, cube), pass(problem, prepared, cube) {}

    __aicore__ inline void Init()
    {
        const Tiling& sizes = problem.sizes;
        chip.Init(pipe, cube);
        prepared.Init(chip.l1, sizes);
        state = chip.unified.Take<float>(sizes.key_dim * sizes.value_dim);
        const int32_t l1 = chip.l1.Mark(), unified = chip.unified.Mark();
        preparation.Init(chip.l1, chip.unified, chip.l0c);
        chip.l1.Reset(l1);
        chip.unified.Reset(unified);
        chip.l0c.Reset(0);
        pass.Init(state, chip.l1, chip.unified, chip.l0c);
    }

    // Of a state in global memory, or of its gradient.
    __aicore__ inline int64_t StateStart(int32_t sequence) const
    {
        return static_cast<int64_t>(sequence) * problem.sizes.key_dim * problem.sizes.value_dim;
    }

    TPipe pipe;
    Problem problem;
    Prepared prepared;
    Cube cube;
    Preparation preparation;
    Pass pass;
    Chip chip;
    LocalTensor<float> state;  // or its gradient, in the unified buffer
};

}  // namespace sfm
