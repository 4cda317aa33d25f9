// What a group of chunks needs before the state passes through: P and T = (I + A)^-1 of each chunk, left in L1.
//
//     A = strictly_lower(K K^T * exp(G_i - G_j + log beta_j))     P = scale lower(Q K^T * exp(G_i - G_j + log beta_j))
//
// T needs more than the eleven bits of fp16 where keys are nearly equal and beta is near 2, so it goes to the Cube as the sum of
// two halves, `high` and `low`, and so does A where T's blocks are merged.

#pragma once

#include "arena.h"
#include "decays.h"
#include "flags.h"
#include "lanes.h"
#include "problem.h"
#include "vector.h"

namespace sfm {

// The results of a group in L1, (chunks, C, C) each, as NZ.
struct Prepared {
    LocalTensor<half> p, a_high, a_low, t_high, t_low;
    int32_t chunk;

    __aicore__ inline void Init(Arena<TPosition::A1>& l1, const Tiling& sizes)
    {
        chunk = sizes.chunk;
        const int32_t count = sizes.chunks_per_group * chunk * chunk;
        p = l1.Take<half>(count);
        a_high = l1.Take<half>(count);
        a_low = l1.Take<half>(count);
        t_high = l1.Take<half>(count);
        t_low = l1.Take<half>(count);
    }

    __aicore__ inline Matrix Of(const LocalTensor<half>& all, int32_t index) const
    {
        return Matrix(all[index * chunk * chunk], chunk, chunk);
    }
};

class Preparation {
public:
    __aicore__ inline Preparation(const Problem& problem, const Prepared& prepared, Cube& cube)
        : problem_(problem), sizes_(problem.sizes), prepared_(prepared), cube_(cube), size_(sizes_.chunk * sizes_.chunk) {}

    __aicore__ inline void Init(Arena<TPosition::A1>& l1, Arena<TPosition::VECCALC>& ub, Arena<TPosition::CO1>& l0c)
    {
        for (int32_t slot = 0; slot < 2; ++slot) {
            q_[slot] = l1.Take<half>(sizes_.chunk * sizes_.key_dim);
            k_[slot] = l1.Take<half>(sizes_.chunk * sizes_.key_dim);
        }
        results_ = l0c.Take<float>(4 * MOST_RESULTS);
        tiles_high_ = ub.Take<half>(LANES * TILE_SIZE);
        tiles_low_ = ub.Take<half>(LANES * TILE_SIZE);
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
        SetBoth<HardEvent::MTE1_MTE2>();
        SetBoth<HardEvent::V_MTE2>();
        SetBoth<HardEvent::V_M>();
        SetBoth<HardEvent::MTE3_V>();
        for (int32_t index = 0; index < count; ++index) {
            const int32_t slot = index % 2;
            Load(sequence, first + index, slot);
            Score(slot);
            Weigh(slot);
            Keep(index, slot);
        }
        WaitForBoth<HardEvent::MTE1_MTE2>();
        WaitForBoth<HardEvent::V_MTE2>();
        WaitForBoth<HardEvent::V_M>();
        WaitForBoth<HardEvent::MTE3_V>();
        PipeBarrier<PIPE_ALL>();
        InvertTiles(count);
        for (int32_t side = TILE; side < sizes_.chunk; side *= 2) {
            Merge(side, count, false);
            Merge(side, count, true);
        }
    }

private:
    static constexpr int32_t MOST_RESULTS = 64 * 64;  // of one product
    static constexpr int32_t PIECE = 2048;            // of lanes that are added at once

    __aicore__ inline void InitScores(Arena<TPosition::VECCALC>& ub)
    {
        mask_ = ub.Take<float>(size_);
        kk_ = ub.Take<float>(MOST_RESULTS);
        qk_ = ub.Take<float>(MOST_RESULTS);
        gamma_ = ub.Take<float>(MOST_RESULTS);
        for (int32_t slot = 0; slot < 2; ++slot) {
            high_[slot] = ub.Take<half>(MOST_RESULTS);
            low_[slot] = ub.Take<half>(MOST_RESULTS);
            p_[slot] = ub.Take<half>(MOST_RESULTS);
            sum_blocks_[slot] = ub.Take<float>(sizes_.chunk * BLOCK_FLOATS);
            weighted_sum_[slot] = ub.Take<float>(sizes_.chunk);
        }
    }

    // Zeros in lanes that have no tile, and where T has no block of A's. The mask, whose place the lanes take meanwhile.
    __aicore__ inline void Clear()
    {
        const half zero = 0;
        Duplicate(tiles_high_, zero, LANES * TILE_SIZE);
        Duplicate(tiles_low_, zero, LANES * TILE_SIZE);
        DataCopy(mask_, problem_.mask, size_);
        PipeBarrier<PIPE_ALL>();
        for (int32_t index = 0; index < sizes_.chunks_per_group; ++index) {
            DataCopy(prepared_.t_high[index * size_], tiles_high_, size_);
            DataCopy(prepared_.t_low[index * size_], tiles_high_, size_);
        }
        PipeBarrier<PIPE_ALL>();
    }

    __aicore__ inline void Load(int32_t sequence, int32_t chunk, int32_t slot)
    {
        const int64_t row = problem_.Row(sequence, chunk * sizes_.chunk, sizes_.key_dim);
        WaitFlag<HardEvent::MTE1_MTE2>(slot);
        LoadRows(k_[slot], problem_.k[row], sizes_, sizes_.key_dim);
        LoadRows(q_[slot], problem_.q[row], sizes_, sizes_.key_dim);
        SetFlag<HardEvent::MTE2_MTE1>(slot);
        const int64_t token = problem_.Chunk(sequence, chunk) * sizes_.chunk;
        WaitFlag<HardEvent::V_MTE2>(slot);
        DataCopy(sum_blocks_[slot], problem_.sum_blocks[token * BLOCK_FLOATS], sizes_.chunk * BLOCK_FLOATS);
        DataCopy(weighted_sum_[slot], problem_.weighted_sum[token], sizes_.chunk);
        SetFlag<HardEvent::MTE2_V>(slot);
    }

    // K K^T and Q K^T, on to the unified buffer.
    __aicore__ inline void Score(int32_t slot)
    {
        const Matrix k(k_[slot], sizes_.chunk, sizes_.key_dim), q(q_[slot], sizes_.chunk, sizes_.key_dim);
        const LocalTensor<float> results = results_[2 * slot * MOST_RESULTS];
        WaitFlag<HardEvent::MTE2_MTE1>(slot);
        WaitFlag<HardEvent::V_M>(slot);
        cube_.Multiply(results, k, Transposed(k));
        cube_.Multiply(results[MOST_RESULTS], q, Transposed(k));
        SetFlag<HardEvent::MTE1_MTE2>(slot);
        SetFlag<HardEvent::M_V>(slot);
        WaitFlag<HardEvent::M_V>(slot);
        FromCube(kk_, results, size_);
        FromCube(qk_, results[MOST_RESULTS], size_);
        SetFlag<HardEvent::V_M>(slot);
        Settle();
    }

    // A and P.
    __aicore__ inline void Weigh(int32_t slot)
    {
        WaitFlag<HardEvent::MTE2_V>(slot);
        Decays(gamma_, sum_blocks_[slot], weighted_sum_[slot], mask_, sizes_.chunk);
        SetFlag<HardEvent::V_MTE2>(slot);
        Mul(kk_, kk_, gamma_, size_);
        Mul(qk_, qk_, gamma_, size_);
        Settle();
        Muls(qk_, qk_, sizes_.scale, size_);
        Settle();
        WaitFlag<HardEvent::MTE3_V>(slot);
        Split(high_[slot], low_[slot], kk_, gamma_, size_);
        Cast(p_[slot], qk_, RoundMode::CAST_NONE, size_);
        Settle();
    }

    // A and P to L1, and A's tiles on the diagonal to their lanes' places.
    __aicore__ inline void Keep(int32_t index, int32_t slot)
    {
        const int32_t num_tiles = sizes_.chunk / TILE;
        const DataCopyParams tiles(num_tiles, TILE, sizes_.chunk, 0);
        DataCopy(tiles_high_[index * num_tiles * TILE_SIZE], high_[slot], tiles);
        DataCopy(tiles_low_[index * num_tiles * TILE_SIZE], low_[slot], tiles);
        Settle();
        SetFlag<HardEvent::V_MTE3>(slot);
        WaitFlag<HardEvent::V_MTE3>(slot);
        DataCopy(prepared_.a_high[index * size_], high_[slot], size_);
        DataCopy(prepared_.a_low[index * size_], low_[slot], size_);
        DataCopy(prepared_.p[index * size_], p_[slot], size_);
        SetFlag<HardEvent::MTE3_V>(slot);
    }

    // T's tiles on the diagonal.
    __aicore__ inline void InvertTiles(int32_t count)
    {
        ToLanes(tiles_high_);
        Cast(lanes_, half_lanes_, RoundMode::CAST_NONE, TILE_SIZE * LANES);
        Settle();
        ToLanes(tiles_low_);
        AddHalfLanes(false);
        Muls(lanes_, lanes_, -1.0F, TILE_SIZE * LANES);
        Settle();
        InvertLanes(lanes_, terms_);
        Cast(half_lanes_, lanes_, RoundMode::CAST_NONE, TILE_SIZE * LANES);
        Settle();
        ToTiles(tiles_high_);
        AddHalfLanes(true);
        Cast(half_lanes_, lanes_, RoundMode::CAST_NONE, TILE_SIZE * LANES);
        Settle();
        ToTiles(tiles_low_);
        PipeBarrier<PIPE_ALL>();
        const int32_t num_tiles = sizes_.chunk / TILE;
        const DataCopyParams diagonal(num_tiles, TILE, 0, sizes_.chunk);
        for (int32_t index = 0; index < count; ++index) {
            DataCopy(prepared_.t_high[index * size_], tiles_high_[index * num_tiles * TILE_SIZE], diagonal);
            DataCopy(prepared_.t_low[index * size_], tiles_low_[index * num_tiles * TILE_SIZE], diagonal);
        }
        PipeBarrier<PIPE_ALL>();
    }

    __aicore__ inline void ToLanes(const LocalTensor<half>& tiles)
    {
        for (int32_t group = 0; group < LANES / TILE; ++group) {
            TilesToLanes(half_lanes_, tiles, group);
        }
        Settle();
    }

    __aicore__ inline void ToTiles(const LocalTensor<half>& tiles)
    {
        for (int32_t group = 0; group < LANES / TILE; ++group) {
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

    // The inverses of diagonal blocks twice as large: T_21 = T_22 (-A_21 T_11). The first pass leaves -A_21 T_11 in T_21's place.
    __aicore__ inline void Merge(int32_t side, int32_t count, bool is_second_pass)
    {
        const int32_t pairs_per_chunk = sizes_.chunk / (2 * side), num_pairs = count * pairs_per_chunk;
        const int32_t batch = MOST_RESULTS / (side * side);
        SetBoth<HardEvent::V_M>();
        SetBoth<HardEvent::MTE3_V>();
        for (int32_t start = 0, slot = 0; start < num_pairs; start += batch, slot = 1 - slot) {
            const int32_t end = start + batch < num_pairs ? start + batch : num_pairs;
            MergeBatch(side, start, end, pairs_per_chunk, slot, is_second_pass);
        }
        WaitForBoth<HardEvent::V_M>();
        WaitForBoth<HardEvent::MTE3_V>();
        PipeBarrier<PIPE_ALL>();
    }

    __aicore__ inline void MergeBatch(int32_t side, int32_t start, int32_t end, int32_t pairs_per_chunk, int32_t slot,
                                      bool is_second_pass)
    {
        const LocalTensor<float> results = results_[slot * MOST_RESULTS];
        const int32_t count = (end - start) * side * side;
        WaitFlag<HardEvent::V_M>(slot);
        for (int32_t pair = start; pair < end; ++pair) {
            const int32_t row = pair % pairs_per_chunk * 2 * side;
            MultiplyPair(results[(pair - start) * side * side], side, pair / pairs_per_chunk, row, is_second_pass);
        }
        SetFlag<HardEvent::M_V>(slot);
        WaitFlag<HardEvent::M_V>(slot);
        FromCube(kk_, results, count);
        SetFlag<HardEvent::V_M>(slot);
        Settle();
        if (!is_second_pass) {
            Muls(kk_, kk_, -1.0F, count);
            Settle();
        }
        WaitFlag<HardEvent::MTE3_V>(slot);
        Split(high_[slot], low_[slot], kk_, gamma_, count);
        SetFlag<HardEvent::V_MTE3>(slot);
        WaitFlag<HardEvent::V_MTE3>(slot);
        for (int32_t pair = start; pair < end; ++pair) {
            KeepPair((pair - start) * side * side, side, pair / pairs_per_chunk, pair % pairs_per_chunk * 2 * side, slot);
        }
        SetFlag<HardEvent::MTE3_V>(slot);
    }

    // The product of two sums of halves, without the smallest of the four terms.
    __aicore__ inline void MultiplyPair(const LocalTensor<float>& result, int32_t side, int32_t index, int32_t row,
                                        bool is_second_pass)
    {
        const Matrix t_high = prepared_.Of(prepared_.t_high, index), t_low = prepared_.Of(prepared_.t_low, index);
        const int32_t below = row + side;
        const Matrix a_high = prepared_.Of(prepared_.a_high, index).Block(below, row, side, side);
        const Matrix a_low = prepared_.Of(prepared_.a_low, index).Block(below, row, side, side);
        const Matrix left_high = is_second_pass ? t_high.Block(below, below, side, side) : a_high;
        const Matrix left_low = is_second_pass ? t_low.Block(below, below, side, side) : a_low;
        const int32_t top = is_second_pass ? below : row;
        const Matrix right_high = t_high.Block(top, row, side, side), right_low = t_low.Block(top, row, side, side);
        cube_.Multiply(result, left_high, right_high);
        cube_.Multiply(result, left_high, right_low, true);
        cube_.Multiply(result, left_low, right_high, true);
    }

    __aicore__ inline void KeepPair(int32_t start, int32_t side, int32_t index, int32_t row, int32_t slot)
    {
        const Matrix corner = prepared_.Of(prepared_.t_high, index).Block(row + side, row, side, side);
        const int32_t to = index * size_ + corner.first * FRACTAL_SIZE;
        const DataCopyParams block(side / FRACTAL, side, 0, sizes_.chunk - side);
        DataCopy(prepared_.t_high[to], high_[slot][start], block);
        DataCopy(prepared_.t_low[to], low_[slot][start], block);
    }

    const Problem& problem_;
    const Tiling& sizes_;
    const Prepared& prepared_;
    Cube& cube_;
    const int32_t size_;
    LocalTensor<half> q_[2], k_[2];
    LocalTensor<float> results_;  // in L0C
    LocalTensor<float> mask_, kk_, qk_, gamma_, sum_blocks_[2], weighted_sum_[2];
    LocalTensor<half> high_[2], low_[2], p_[2], tiles_high_, tiles_low_, half_lanes_;
    LocalTensor<float> lanes_, terms_;
};

}  // namespace sfm
