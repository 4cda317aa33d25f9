// Diagonal matrices in L1, whose products scale rows: only the 16 x 16 tiles on the diagonal are ever written.

#pragma once

#include "arena.h"
#include "paths.h"
#include "problem.h"
#include "vector.h"

namespace sfm {

class Diagonals {
public:
    // Of the first `count` factors, in places of L1 that nothing else uses.
    __aicore__ inline void Init(const Tiling& sizes, int32_t count, Arena<TPosition::A1>& l1, Arena<TPosition::VECCALC>& ub)
    {
        chunk_ = sizes.chunk;
        count_ = count;
        matrices_ = l1.Take<half>(count_ * chunk_ * chunk_);
        tiles_ = ub.Take<half>(count_ * chunk_ * FRACTAL);
    }

    // Zeros everywhere, by way of room for one matrix. All pipes are idle afterwards.
    __aicore__ inline void Clear(const LocalTensor<half>& room, Paths& paths)
    {
        if (HasVector()) {
            Duplicate(room, static_cast<half>(0), chunk_ * chunk_);
        }
        PipeBarrier<PIPE_ALL>();
        const Shipment zeros = paths.Ship(room, chunk_ * chunk_, IsMine(0));
        for (int32_t which = 0; which < count_; ++which) {
            zeros.Unload(matrices_[which * chunk_ * chunk_], 0, chunk_ * chunk_);
        }
        paths.Unloaded();
        PipeBarrier<PIPE_ALL>();
    }

    // The tiles in the unified buffer: the identity's rows times 16 of a chunk's factors, (NUM_FACTORS, C), half a tile a repeat.
    __aicore__ inline void Build(const LocalTensor<half>& identity, const LocalTensor<half>& factors)
    {
        constexpr int32_t part = FRACTAL_SIZE / 2;
        if (IsMine(0)) {
            for (int32_t start = 0; start < FRACTAL_SIZE; start += part) {
                Mul(tiles_[start], identity[start], factors, part, count_ * chunk_ / FRACTAL, {1, 1, 0, FRACTAL, 0, 1});
            }
            Settle();
        }
    }

    // On to L1.
    __aicore__ inline void Send(Paths& paths)
    {
        const DataCopyParams tiles(chunk_ / FRACTAL, FRACTAL, 0, chunk_);
        const Shipment shipment = paths.Ship(tiles_, count_ * chunk_ * FRACTAL, IsMine(0));
        for (int32_t which = 0; which < count_; ++which) {
            shipment.Unload(matrices_[which * chunk_ * chunk_], which * chunk_ * FRACTAL, tiles);
        }
        paths.Unloaded();
    }

    __aicore__ inline Matrix Of(Factor which) const
    {
        return Matrix(matrices_[which * chunk_ * chunk_], chunk_, chunk_);
    }

private:
    int32_t chunk_, count_;
    LocalTensor<half> matrices_, tiles_;
};

}  // namespace sfm
