// What the host tells the kernel of the signed scan.

#pragma once

#include <cstdint>

namespace sfm {

struct ScanTiling {
    int32_t num_batch, num_steps, num_channels;
    int32_t channels_per_task;  // a multiple of 64; a core takes so many channels of a batch row at a time
    int32_t steps_per_tile;     // that are in the unified buffer at once
    int32_t is_reversed;        // the last step comes first
};

}  // namespace sfm
