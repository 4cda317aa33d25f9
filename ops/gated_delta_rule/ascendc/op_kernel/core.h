// A core: its memories, and the two parts of its work, which share them one after the other.

#pragma once

#include "preparation.h"
#include "state.h"

namespace sfm {

template <typename Problem, typename Pass>
struct Core {
    __aicore__ inline Core(const Problem& arguments)
        : problem(arguments), preparation(problem, prepared, cube, paths), pass(problem, prepared, state, cube, paths) {}

    __aicore__ inline void Init(GM_ADDR workspace)
    {
        const Tiling& sizes = problem.sizes;
        memories.Init(pipe, cube);
        paths.Init(workspace);
        prepared.Init(memories.l1, sizes);
        minus_identity = memories.l1.Take<half>(sizes.chunk * sizes.chunk);
        state.Init(sizes, memories.unified);
        const int32_t l1 = memories.l1.Mark(), unified = memories.unified.Mark();
        preparation.Init(memories.l1, memories.unified, memories.l0c);
        memories.l1.Reset(l1);
        memories.unified.Reset(unified);
        memories.l0c.Reset(0);
        pass.Init(memories.l1, memories.unified, memories.l0c);
    }

    __aicore__ inline void Start()
    {
        if (HasCube()) {
            DataCopy(minus_identity, problem.minus_identity, problem.sizes.chunk * problem.sizes.chunk);
            DataCopy(prepared.mask, problem.mask, problem.sizes.chunk * problem.sizes.chunk);
        }
        PipeBarrier<PIPE_ALL>();
        cube.Start(minus_identity, problem.sizes.chunk);
        pass.Clear();
    }

    __aicore__ inline void Stop()
    {
        cube.Stop();
        paths.Stop();
    }

    // All chunks of a sequence, from the first on.
    __aicore__ inline void Run(int32_t sequence)
    {
        const Tiling& sizes = problem.sizes;
        for (int32_t first = 0; first < sizes.num_chunks; first += sizes.chunks_per_group) {
            const int32_t left = sizes.num_chunks - first;
            const int32_t count = left < sizes.chunks_per_group ? left : sizes.chunks_per_group;
            preparation.Run(sequence, first, count);
            pass.Run(sequence, first, count);
        }
    }

    // ... and from the last on.
    __aicore__ inline void RunBack(int32_t sequence)
    {
        const Tiling& sizes = problem.sizes;
        for (int32_t end = sizes.num_chunks; end > 0;) {
            const int32_t first = (end - 1) / sizes.chunks_per_group * sizes.chunks_per_group;
            preparation.Run(sequence, first, end - first);
            pass.Run(sequence, first, end - first);
            end = first;
        }
    }

    // Of a state in global memory, or of its gradient.
    __aicore__ inline int64_t StateStart(int32_t sequence) const
    {
        return static_cast<int64_t>(sequence) * problem.sizes.key_dim * problem.sizes.value_dim;
    }

    TPipe pipe;
    Problem problem;
    Prepared prepared;
    Memories memories;
    LocalTensor<half> minus_identity;  // in L1
    Cube cube;
    Paths paths;
    State state;  // or its gradient
    Preparation preparation;
    Pass pass;
};

}  // namespace sfm
