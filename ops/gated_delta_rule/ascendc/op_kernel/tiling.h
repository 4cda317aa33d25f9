// What host and kernels both know, and what the host tells the kernels: sizes, in elements. The host's tiling function fills it in, the kernel reads it.

#pragma once

#include <cstdint>

namespace sfm {

constexpr int32_t TILE = 16, TILE_SIZE = TILE * TILE;  // of a triangular matrix that is inverted by substitution
constexpr int32_t LANES = 64;                          // tiles that are inverted at once

struct Tiling {
    int32_t num_heads, num_sequences;          // heads of a batch row, and of all rows
    int32_t num_chunks, chunks_per_group;      // of a sequence, and inverted at once
    int32_t chunk, key_dim, value_dim;         // multiples of 16
    float scale;
    int32_t keeps;                             // whether the forward kernel writes what the gradient needs
};

}  // namespace sfm
