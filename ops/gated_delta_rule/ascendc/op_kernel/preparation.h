// What a group of chunks needs before the state passes through: P and T = (I + A)^-1 of each chunk, left in L1.
//
//     A = strictly_lower(K K^T * exp(G_i - G_j + log beta_j))     P = lower(Q K^T * exp(G_i - G_j + log beta_j))
//
// T needs more than the eleven bits of fp16 where keys are nearly equal and beta is near 2, so it goes to the Cube as the sum of
// two halves, `high` and `low`, and so does N = -A, which T replaces block by block.
//
// Vector cores share the chunks, and batches of products.

#pragma once

#include "arena.h"
#include "decays.h"
#include "flags.h"
#include "lanes.h"
#include "paths.h"
#include "problem.h"
#include "vector.h"

namespace sfm {

// The results of a group in L1, (chunks, C, C) each, as NZ.
struct Prepared {
    LocalTensor<half> p, high, low;  // high and low: N, then T
    LocalTensor<half> mask;          // (C, C): MASKED above the diagonal, the same for all chunks
    int32_t chunk;

    __aicore__ inline void Init(Arena<TPosition::A1>& l1, const Tiling& sizes)
    {
        chunk = sizes.chunk;
        const int32_t count = sizes.chunks_per_group * chunk * chunk;
        p = l1.Take<half>(count);
        high = l1.Take<half>(count);
        low = l1.Take<half>(count);
        mask = l1.Take<half>(chunk * chunk);
    }

    __aicore__ inline Matrix Of(const LocalTensor<half>& all, int32_t index) const
    {
        return Matrix(all[index * chunk * chunk], chunk, chunk);
    }
};

class Preparation {
public:
    __aicore__ inline Preparation(const Problem& problem, const Prepared& prepared, Cube& cube, Paths& paths)
        : problem_(problem), sizes_(problem.sizes), prepared_(prepared), cube_(cube), paths_(paths),
          size_(sizes_.chunk * sizes_.chunk), num_tiles_(sizes_.chunk / TILE),
          num_lanes_(OwnLanes(sizes_, NUM_SHARES)) {}

    __aicore__ inline void Init(Arena<TPosition::A1>& l1, Arena<TPosition::VECCALC>& ub, Arena<TPosition::CO1>& l0c)
    {
        for (int32_t slot = 0; slot < 2; ++slot) {
            q_[slot] = l1.Take<half>(sizes_.chunk * sizes_.key_dim);
            k_[slot] = l1.Take<half>(sizes_.chunk * sizes_.key_dim);
            exponents_[slot].Init(sizes_.chunk, l1);
        }
        results_ = l0c.Take<float>(2 * NUM_SCORES * MOST_RESULTS);
        tiles_high_ = ub.Take<half>(num_lanes_ * TILE_SIZE);
        tiles_low_ = ub.Take<half>(num_lanes_ * TILE_SIZE);
        const int32_t mark = ub.Mark();
        InitScores(ub);
        ub.Reset(mark);
        lanes_ = ub.Take<float>(TILE_SIZE * LANES);
        half_lanes_ = ub.Take<half>(TILE_SIZE * LANES);
        terms_ = ub.Take<float>(MOST_TERMS * LANES);
    }

    // Chunks first .. first + count of a sequence. All pipes are idle before and after.
    __aicore__ inline void Run(int32_t sequence, int32_t first, int32_t count)
    {
        Clear();
        RaiseBoth<HardEvent::MTE1_MTE2>();
        RaiseBoth<PRODUCT_FREE>();
        RaiseBoth<HardEvent::MTE3_V>();
        for (int32_t index = 0; index < count; ++index) {
            const int32_t slot = index % 2;
            Load(sequence, first + index, slot);
            Score(slot);
            Weigh(slot);
            Keep(index, slot);
        }
        AwaitBoth<HardEvent::MTE1_MTE2>();
        AwaitBoth<PRODUCT_FREE>();
        AwaitBoth<HardEvent::MTE3_V>();
        PipeBarrier<PIPE_ALL>();
        InvertTiles();
        KeepTiles(count);
        for (int32_t side = TILE; side < sizes_.chunk; side *= 2) {
            Merge(side, count, false);
            Merge(side, count, true);
        }
    }

private:
    static constexpr int32_t MOST_RESULTS = 64 * 64;  // of one product
    static constexpr int32_t NUM_SCORES = 3;          // products of a chunk: K K^T, Q K^T, exponents
    static constexpr int32_t PIECE = 2048;            // of lanes that are added at once

    __aicore__ inline void InitScores(Arena<TPosition::VECCALC>& ub)
    {
        kk_ = ub.Take<float>(MOST_RESULTS);
        qk_ = ub.Take<float>(MOST_RESULTS);
        gamma_ = ub.Take<float>(MOST_RESULTS);
        for (int32_t slot = 0; slot < 2; ++slot) {
            high_[slot] = ub.Take<half>(MOST_RESULTS);
            low_[slot] = ub.Take<half>(MOST_RESULTS);
            p_[slot] = ub.Take<half>(MOST_RESULTS);
        }
    }

    // Zeros in lanes that have no tile.
    __aicore__ inline void Clear()
    {
        if (HasVector()) {
            Duplicate(tiles_high_, static_cast<half>(0), num_lanes_ * TILE_SIZE);
            Duplicate(tiles_low_, static_cast<half>(0), num_lanes_ * TILE_SIZE);
        }
        PipeBarrier<PIPE_ALL>();
    }

    __aicore__ inline void Load(int32_t sequence, int32_t chunk, int32_t slot)
    {
        const int64_t row = problem_.Row(sequence, chunk * sizes_.chunk, sizes_.key_dim);
        Await<HardEvent::MTE1_MTE2>(slot);
        LoadRows(k_[slot], problem_.k[row], sizes_, sizes_.key_dim);
        LoadRows(q_[slot], problem_.q[row], sizes_, sizes_.key_dim);
        exponents_[slot].Load(problem_.row_exponents, problem_.column_exponents, problem_.Chunk(sequence, chunk) * sizes_.chunk,
                              sizes_.chunk);
        Raise<HardEvent::MTE2_MTE1>(slot);
    }

    // K K^T, Q K^T and exponents, on to the unified buffer.
    __aicore__ inline void Score(int32_t slot)
    {
        const Matrix k(k_[slot], sizes_.chunk, sizes_.key_dim), q(q_[slot], sizes_.chunk, sizes_.key_dim);
        const LocalTensor<float> results = results_[NUM_SCORES * slot * MOST_RESULTS];
        Await<HardEvent::MTE2_MTE1>(slot);
        Await<PRODUCT_FREE>(slot);
        cube_.Multiply(results, k, Transposed(k));
        cube_.Multiply(results[MOST_RESULTS], q, Transposed(k));
        exponents_[slot].Multiply(cube_, results[2 * MOST_RESULTS], Matrix(prepared_.mask, sizes_.chunk, sizes_.chunk));
        Raise<HardEvent::MTE1_MTE2>(slot);
        Raise<PRODUCT_DONE>(slot);
        Await<PRODUCT_DONE>(slot);
        paths_.ToVector(kk_, results, size_, IsMine(slot));
        paths_.ToVector(qk_, results[MOST_RESULTS], size_, IsMine(slot));
        paths_.ToVector(gamma_, results[2 * MOST_RESULTS], size_, IsMine(slot));
        Raise<PRODUCT_FREE>(slot);
        Settle();
    }

    // N and P.
    __aicore__ inline void Weigh(int32_t slot)
    {
        Await<HardEvent::MTE3_V>(slot);
        if (IsMine(slot)) {
            Exp(gamma_, gamma_, size_);
            Settle();
            Mul(kk_, kk_, gamma_, size_);
            Mul(qk_, qk_, gamma_, size_);
            Settle();
            Muls(kk_, kk_, -1.0F, size_);
            Settle();
            Split(high_[slot], low_[slot], kk_, gamma_, size_);
            Cast(p_[slot], qk_, RoundMode::CAST_NONE, size_);
            Settle();
        }
    }

    // N's tiles on the diagonal to their lanes' places, N and P to L1.
    __aicore__ inline void Keep(int32_t index, int32_t slot)
    {
        if (IsMine(slot)) {
            const DataCopyParams tiles(num_tiles_, TILE, sizes_.chunk, 0);
            DataCopy(OwnTiles(tiles_high_, index), high_[slot], tiles);
            DataCopy(OwnTiles(tiles_low_, index), low_[slot], tiles);
            Settle();
        }
        Raise<HardEvent::V_MTE3>(slot);
        Await<HardEvent::V_MTE3>(slot);
        Send(prepared_.high, high_[slot], index, slot);
        Send(prepared_.low, low_[slot], index, slot);
        Send(prepared_.p, p_[slot], index, slot);
        Raise<HardEvent::MTE3_V>(slot);
    }

    __aicore__ inline void Send(const LocalTensor<half>& to, const LocalTensor<half>& square, int32_t index, int32_t slot)
    {
        paths_.Ship(square, size_, IsMine(slot)).Unload(to[index * size_], 0, size_);
        paths_.Unloaded();
    }

    // A chunk's tiles among those of this core.
    __aicore__ inline LocalTensor<half> OwnTiles(const LocalTensor<half>& tiles, int32_t index) const
    {
        return tiles[index / NUM_SHARES * num_tiles_ * TILE_SIZE];
    }

    // T's tiles on the diagonal.
    __aicore__ inline void InvertTiles()
    {
        if (!HasVector()) {
            return;
        }
        Duplicate(half_lanes_, static_cast<half>(0), TILE_SIZE * LANES);
        Settle();
        ToLanes(tiles_high_);
        Cast(lanes_, half_lanes_, RoundMode::CAST_NONE, TILE_SIZE * LANES);
        Settle();
        ToLanes(tiles_low_);
        AddHalfLanes(false);
        InvertLanes(lanes_, terms_);
        Cast(half_lanes_, lanes_, RoundMode::CAST_NONE, TILE_SIZE * LANES);
        Settle();
        ToTiles(tiles_high_);
        AddHalfLanes(true);
        Cast(half_lanes_, lanes_, RoundMode::CAST_NONE, TILE_SIZE * LANES);
        Settle();
        ToTiles(tiles_low_);
        PipeBarrier<PIPE_ALL>();
    }

    __aicore__ inline void KeepTiles(int32_t count)
    {
        const DataCopyParams diagonal(num_tiles_, TILE, 0, sizes_.chunk);
        for (int32_t index = 0; index < count; ++index) {
            for (int32_t which = 0; which < 2; ++which) {
                const LocalTensor<half> tiles = OwnTiles(which == 0 ? tiles_high_ : tiles_low_, index);
                const LocalTensor<half> to = which == 0 ? prepared_.high : prepared_.low;
                paths_.Ship(tiles, num_tiles_ * TILE_SIZE, IsMine(index)).Unload(to[index * size_], 0, diagonal);
                paths_.Unloaded();
            }
        }
        PipeBarrier<PIPE_ALL>();
    }

    __aicore__ inline void ToLanes(const LocalTensor<half>& tiles)
    {
        for (int32_t group = 0; group < num_lanes_ / TILE; ++group) {
            TilesToLanes(half_lanes_, tiles, group);
        }
        Settle();
    }

    __aicore__ inline void ToTiles(const LocalTensor<half>& tiles)
    {
        for (int32_t group = 0; group < num_lanes_ / TILE; ++group) {
            LanesToTiles(tiles, half_lanes_, group);
        }
        Settle();
    }

    // lanes += half lanes, or -= if `is_difference`.
    __aicore__ inline void AddHalfLanes(bool is_difference)
    {
        for (int32_t start = 0; start < TILE_SIZE * LANES; start += PIECE) {
            Cast(terms_, half_lanes_[start], RoundMode::CAST_NONE, PIECE);
            Settle();
            if (is_difference) {
                Sub(lanes_[start], lanes_[start], terms_, PIECE);
            } else {
                Add(lanes_[start], lanes_[start], terms_, PIECE);
            }
            Settle();
        }
    }

    // Corners below the diagonal, of pairs of diagonal blocks `side` wide, whose products one slot holds.
    struct Corners {
        int32_t slot, side, first, count, num_per_chunk;
    };

    // The inverses of diagonal blocks twice as large: T_21 = T_22 (N_21 T_11). The first pass leaves N_21 T_11 in T_21's place.
    __aicore__ inline void Merge(int32_t side, int32_t count, bool is_second_pass)
    {
        const int32_t num_per_chunk = sizes_.chunk / (2 * side), end = count * num_per_chunk, most = MOST_RESULTS / (side * side);
        RaiseBoth<PRODUCT_FREE>();
        RaiseBoth<HardEvent::MTE3_V>();
        for (int32_t first = 0; first < end; first += 2 * most) {
            const int32_t middle = first + most < end ? first + most : end, last = middle + most < end ? middle + most : end;
            const Corners both[2] = {{0, side, first, middle - first, num_per_chunk},
                                     {1, side, middle, last - middle, num_per_chunk}};
            for (const Corners& corners : both) {
                MultiplyCorners(corners, is_second_pass);
            }
            for (const Corners& corners : both) {
                RoundCorners(corners, prepared_.high);
                Raise<FROM_CUBE>(corners.slot);
            }
            for (const Corners& corners : both) {
                SubtractCorners(corners);
            }
            for (const Corners& corners : both) {
                RoundCorners(corners, prepared_.low);
                Raise<PRODUCT_FREE>(corners.slot);
            }
        }
        AwaitBoth<PRODUCT_FREE>();
        AwaitBoth<HardEvent::MTE3_V>();
        PipeBarrier<PIPE_ALL>();
    }

    __aicore__ inline LocalTensor<float> Result(const Corners& corners, int32_t number) const
    {
        return results_[corners.slot * MOST_RESULTS + number * corners.side * corners.side];
    }

    // Of the two by two blocks of a pair, the one in row `row` and column `column`.
    __aicore__ inline Matrix Block(const LocalTensor<half>& all, const Corners& corners, int32_t number, int32_t row,
                                   int32_t column) const
    {
        const int32_t pair = corners.first + number, side = corners.side, start = pair % corners.num_per_chunk * 2 * side;
        return prepared_.Of(all, pair / corners.num_per_chunk).Block(start + row * side, start + column * side, side, side);
    }

    __aicore__ inline Halves Both(const Corners& corners, int32_t number, int32_t row, int32_t column) const
    {
        return Halves(Block(prepared_.high, corners, number, row, column), Block(prepared_.low, corners, number, row, column));
    }

    __aicore__ inline void MultiplyCorners(const Corners& corners, bool is_second_pass)
    {
        const int32_t middle = is_second_pass ? 1 : 0;
        Await<PRODUCT_FREE>(corners.slot);
        for (int32_t number = 0; number < corners.count; ++number) {
            cube_.Multiply(Result(corners, number), Both(corners, number, 1, middle), Both(corners, number, middle, 0));
        }
        Raise<PRODUCT_DONE>(corners.slot);
    }

    __aicore__ inline void RoundCorners(const Corners& corners, const LocalTensor<half>& to)
    {
        Await<PRODUCT_DONE>(corners.slot);
        Await<HardEvent::MTE3_V>(corners.slot);
        const LocalTensor<half> room = high_[corners.slot];
        const int32_t size = corners.side * corners.side;
        if (corners.count > 0) {
            paths_.Round(room, Result(corners, 0), corners.count * size, corners.slot);
        }
        for (int32_t number = 0; number < corners.count; ++number) {
            paths_.ToCube(Block(to, corners, number, 1, 0), Result(corners, number), room[number * size]);
        }
        Raise<HardEvent::MTE3_V>(corners.slot);
    }

    __aicore__ inline void SubtractCorners(const Corners& corners)
    {
        Await<FROM_CUBE>(corners.slot);
        for (int32_t number = 0; number < corners.count; ++number) {
            cube_.Subtract(Result(corners, number), Block(prepared_.high, corners, number, 1, 0));
        }
        Raise<PRODUCT_DONE>(corners.slot);
    }

    const Problem& problem_;
    const Tiling& sizes_;
    const Prepared& prepared_;
    Cube& cube_;
    Paths& paths_;
    const int32_t size_, num_tiles_, num_lanes_;
    LocalTensor<half> q_[2], k_[2];
    Exponents exponents_[2];
    LocalTensor<float> results_;  // in L0C
    LocalTensor<float> kk_, qk_, gamma_;
    LocalTensor<half> high_[2], low_[2], p_[2], tiles_high_, tiles_low_, half_lanes_;
    LocalTensor<float> lanes_, terms_;
};

}  // namespace sfm
