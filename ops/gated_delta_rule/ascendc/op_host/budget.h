// How many bytes of each on-chip memory the kernels take: what their Init functions add up to (a test compares).

#pragma once

#include <algorithm>
#include <cstdint>

#include "../op_kernel/tiling.h"

namespace sfm {

constexpr int64_t HALF = 2, FLOAT = 4;

struct Bytes {
    int64_t l1 = 0, unified = 0, l0c = 0, l0 = 0;  // l0: half of L0A or of L0B, whichever holds more
};

// A core's memories, and how many vector cores share the Vector's work.
struct CoreMemories {
    Bytes bytes;
    int64_t num_shares = 1;
};

// Adds up buffers as an Arena lays them out.
class Sum {
public:
    Sum& Add(int64_t count, int64_t size, int64_t times = 1)
    {
        constexpr int64_t alignment = 512;
        bytes_ += times * ((count * size + alignment - 1) / alignment * alignment);
        return *this;
    }
    int64_t Value() const { return bytes_; }

private:
    int64_t bytes_ = 0;
};

struct Counts {
    int64_t keys, values, most, square, state, piece, own_state, own_lanes;
    Counts(const Tiling& sizes, int64_t num_shares)
        : keys(int64_t(sizes.chunk) * sizes.key_dim), values(int64_t(sizes.chunk) * sizes.value_dim),
          most(std::max(keys, values)), square(int64_t(sizes.chunk) * sizes.chunk),
          state(int64_t(sizes.key_dim) * sizes.value_dim)
    {
        const int64_t columns = PieceColumns(sizes, num_shares), pieces = sizes.value_dim / columns;
        piece = columns * sizes.key_dim;
        own_state = (pieces + num_shares - 1) / num_shares * piece;
        own_lanes = OwnLanes(sizes, num_shares);
    }
};

inline int64_t PreparedL1(const Tiling& sizes, const Counts& counts)
{
    return Sum().Add(sizes.chunks_per_group * counts.square, HALF, 3).Add(counts.square, HALF, 2).Value();
}

inline Bytes PreparationBytes(const Tiling& sizes, const Counts& counts)
{
    constexpr int64_t most_results = 64 * 64, most_terms = 7 * 8;
    const Sum tiles = Sum().Add(counts.own_lanes * TILE_SIZE, HALF, 2);
    Sum scores = tiles, lanes = tiles;
    scores.Add(most_results, FLOAT, 3).Add(most_results, HALF, 6);
    lanes.Add(TILE_SIZE * LANES, FLOAT).Add(TILE_SIZE * LANES, HALF).Add(most_terms * LANES, FLOAT);
    Bytes bytes;
    bytes.l1 = Sum().Add(counts.keys, HALF, 4).Add(sizes.chunk * 16, HALF, 4).Value();
    bytes.unified = std::max(scores.Value(), lanes.Value());
    bytes.l0c = Sum().Add(6 * most_results, FLOAT).Value();
    return bytes;
}

inline Bytes StatePassBytes(const Tiling& sizes, const Counts& counts)
{
    const int64_t rows = int64_t(sizes.chunks_per_group) * 5 * sizes.chunk;
    Bytes bytes;
    bytes.l1 = Sum().Add(counts.keys, HALF, 11).Add(counts.values, HALF, 4).Add(counts.state, HALF).Add(3 * counts.square, HALF)
                   .Value();
    bytes.l0c = Sum().Add(std::max(counts.most, counts.piece), FLOAT, 2).Add(counts.values, FLOAT).Add(counts.most, FLOAT)
                    .Value();
    bytes.unified = Sum().Add(TILE_SIZE, HALF).Add(rows, HALF).Add(3 * sizes.chunk * 16, HALF).Add(counts.own_state, HALF, 2)
                        .Add(counts.piece, FLOAT).Add(counts.most, HALF, 2).Add(std::max(counts.values, counts.square), HALF)
                        .Value();
    return bytes;
}

inline Bytes GradientPassBytes(const Tiling& sizes, const Counts& counts)
{
    const int64_t chunk = sizes.chunk, dots = (3 * chunk + sizes.value_dim) * 16, most = std::max(counts.most, counts.square);
    const int64_t work = std::max(std::max(4 * counts.square, dots), counts.piece + counts.own_state / 2);
    Bytes bytes;
    bytes.l1 = Sum().Add(counts.keys, HALF, 4).Add(counts.values, HALF, 3).Add(2 * counts.values, HALF).Add(counts.state, HALF, 3)
                   .Add(chunk * 16, HALF, 2)
                   .Add(counts.square, HALF, 2).Add(2 * most, HALF).Add(std::max(3 * counts.keys, 4 * counts.values), HALF)
                   .Add(2 * counts.most, HALF).Add(std::max(counts.values, 2 * counts.keys), HALF).Add(5 * counts.square, HALF)
                   .Value();
    bytes.l0c = Sum().Add(counts.keys, FLOAT, 2).Add(std::max(std::max(counts.piece, dots), most), FLOAT, 2).Value();
    bytes.unified = Sum().Add(most, HALF, 2).Add(TILE_SIZE, HALF).Add(TILE_SIZE, FLOAT, 2).Add(counts.square, FLOAT, 2)
                        .Add(5 * chunk, HALF, 2).Add(chunk, FLOAT, 2).Add(5 * chunk * 16, HALF)
                        .Add(5 * chunk + sizes.value_dim, FLOAT).Add(work, FLOAT).Value();
    return bytes;
}

inline Bytes KernelBytes(const Tiling& sizes, int64_t num_shares, bool is_backward)
{
    const Counts counts(sizes, num_shares);
    const Bytes preparation = PreparationBytes(sizes, counts);
    const Bytes pass = is_backward ? GradientPassBytes(sizes, counts) : StatePassBytes(sizes, counts);
    Bytes bytes;
    bytes.l1 = PreparedL1(sizes, counts) + std::max(preparation.l1, pass.l1);
    bytes.unified = Sum().Add(counts.own_state, FLOAT).Value() + std::max(preparation.unified, pass.unified);
    bytes.l0c = std::max(preparation.l0c, pass.l0c);
    bytes.l0 = HALF * std::max(2 * std::max(counts.keys, counts.values), std::max(2 * counts.square, counts.state));
    return bytes;
}

inline bool Fits(const Bytes& bytes, const Bytes& memory)
{
    return bytes.l1 <= memory.l1 && bytes.unified <= memory.unified && bytes.l0c <= memory.l0c && bytes.l0 <= memory.l0;
}

// The most chunks whose tiles are inverted at once: no more than there are lanes and chunks, and as fit; 0 if not even one does.
inline int32_t ChunksPerGroup(Tiling sizes, const CoreMemories& core, bool is_backward)
{
    const int32_t lanes = core.num_shares * LANES;
    for (sizes.chunks_per_group = std::min<int32_t>(lanes / (sizes.chunk / TILE), sizes.num_chunks); sizes.chunks_per_group > 0;
         --sizes.chunks_per_group) {
        if (Fits(KernelBytes(sizes, core.num_shares, is_backward), core.bytes)) {
            break;
        }
    }
    return sizes.chunks_per_group;
}

}  // namespace sfm
