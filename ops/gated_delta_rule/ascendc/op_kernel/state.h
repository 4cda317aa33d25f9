// A sequence's state (K, V), or its gradient: fp32 in the unified buffer, by pieces of columns, which vector cores share.

#pragma once

#include "arena.h"
#include "problem.h"
#include "vector.h"

namespace sfm {

class State {
public:
    __aicore__ inline void Init(const Tiling& sizes, Arena<TPosition::VECCALC>& ub)
    {
        sizes_ = sizes;
        columns = PieceColumns(sizes, NUM_SHARES);
        count = sizes.value_dim / columns;
        size = columns * sizes.key_dim;
        numbers_ = ub.Take<float>(NumOwn() * size);
    }

    // The most pieces that are one core's.
    __aicore__ inline int32_t NumOwn() const { return (count + NUM_SHARES - 1) / NUM_SHARES; }

    // Of a piece that `IsMine`: as NZ.
    __aicore__ inline LocalTensor<float> Piece(int32_t index) const { return numbers_[index / NUM_SHARES * size]; }

    // From rows in global memory. All pipes are idle afterwards.
    __aicore__ inline void Load(const GlobalTensor<float>& rows) const
    {
        const uint16_t length = FRACTAL * sizeof(float) / BLOCK, gap = (sizes_.value_dim - FRACTAL) * sizeof(float) / BLOCK;
        for (int32_t column = 0; column < sizes_.value_dim; column += FRACTAL) {
            if (IsMine(column / columns)) {
                DataCopy(Column(column), rows[column], DataCopyParams(sizes_.key_dim, length, gap, 0));
            }
        }
        PipeBarrier<PIPE_ALL>();
    }

    __aicore__ inline void Store(const GlobalTensor<float>& rows) const
    {
        const uint16_t length = FRACTAL * sizeof(float) / BLOCK, gap = (sizes_.value_dim - FRACTAL) * sizeof(float) / BLOCK;
        for (int32_t column = 0; column < sizes_.value_dim; column += FRACTAL) {
            if (IsMine(column / columns)) {
                DataCopy(rows[column], Column(column), DataCopyParams(sizes_.key_dim, length, 0, gap));
            }
        }
        PipeBarrier<PIPE_ALL>();
    }

    // All pieces times `whole`, before their changes come.
    __aicore__ inline void Decay(float whole) const
    {
        for (int32_t index = 0; index < count; ++index) {
            if (IsMine(index)) {
                Muls(Piece(index), Piece(index), whole, size);
            }
        }
        Settle();
    }

    __aicore__ inline void Add(int32_t index, const LocalTensor<float>& change) const
    {
        AscendC::Add(Piece(index), Piece(index), change, size);
        Settle();
    }

    int32_t columns, count, size;  // of a piece, pieces, numbers of a piece

private:
    __aicore__ inline LocalTensor<float> Column(int32_t column) const
    {
        return Piece(column / columns)[column % columns * sizes_.key_dim];
    }

    Tiling sizes_;
    LocalTensor<float> numbers_;
};

}  // namespace sfm
