// What the host tells the kernels of the signed scan.

#pragma once

#include <cstdint>

namespace sfm {

struct ScanTiling {
    int32_t num_batch, num_steps, num_channels;
    int32_t channels_per_task;  // a core takes so many channels of a batch row at a time
    int32_t steps_per_tile;     // that are in the unified buffer at once
};

}  // namespace sfm
