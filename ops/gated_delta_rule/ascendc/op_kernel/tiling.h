// What host and kernels both know: sizes, in elements, which the host's tiling function fills in, and how work is cut up.

#pragma once

#include <cstdint>

#ifndef __aicore__
#define __aicore__  // on the host
#endif

namespace sfm {

constexpr int32_t TILE = 16, TILE_SIZE = TILE * TILE;  // of a triangular matrix that is inverted by substitution
constexpr int32_t LANES = 64;                          // tiles that are inverted at once

// Two places in global memory for products on their way to the vector cores of a 910B, and two for what comes back.
constexpr int32_t PRODUCT_BYTES = 32 * 1024, SHIPMENT_BYTES = 16 * 1024, PATHS_BYTES = 2 * (PRODUCT_BYTES + SHIPMENT_BYTES);

struct Tiling {
    int32_t num_heads, num_sequences;      // heads of a batch row, and of all rows
    int32_t num_chunks, chunks_per_group;  // of a sequence, and inverted at once
    int32_t chunk, key_dim, value_dim;     // multiples of 16
};

// Columns of a piece of the state: as many as 32 KB hold, and no more than leave each of the vector cores that share it a
// piece; a divisor of the width.
__aicore__ inline int32_t PieceColumns(const Tiling& sizes, int32_t num_shares)
{
    const int32_t most = PRODUCT_BYTES / sizeof(float);
    int32_t columns = sizes.value_dim;
    while (columns > TILE &&
           (sizes.value_dim % columns != 0 || columns * sizes.key_dim > most || columns * num_shares > sizes.value_dim)) {
        columns -= TILE;
    }
    return columns;
}

// The tiles of a group that are one core's, filled up to what changes places at once.
__aicore__ inline int32_t OwnLanes(const Tiling& sizes, int32_t num_shares)
{
    const int32_t chunks = (sizes.chunks_per_group + num_shares - 1) / num_shares, tiles = chunks * sizes.chunk / TILE;
    return (tiles + TILE - 1) / TILE * TILE;
}

}  // namespace sfm
