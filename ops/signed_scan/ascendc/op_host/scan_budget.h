// How the signed scan's work is cut: channels so that every core has a task, steps as many as the unified buffer holds.

#pragma once

#include <algorithm>
#include <cstdint>

#include "../op_kernel/scan_tiling.h"

namespace sfm {

constexpr int64_t FEWEST_CHANNELS = 64, MOST_CHANNELS = 256;  // of a task: a vector instruction's lanes, and enough to hide loads
constexpr int64_t MOST_STEPS = 4095;                          // that one copy takes

// What the kernel's Init takes: two tiles of x, decays and out, one of sums; a state and a term.
inline int64_t ScanBytes(int64_t channels, int64_t steps, int64_t x_bytes)
{
    constexpr int64_t fp32 = 4;
    return channels * (steps * (2 * x_bytes + 2 * fp32 + 2 * x_bytes + fp32) + 2 * fp32);
}

inline int64_t ChannelsPerTask(const ScanTiling& sizes, int64_t cores)
{
    const int64_t all = int64_t(sizes.num_batch) * sizes.num_channels;
    const int64_t share = (all + cores * FEWEST_CHANNELS - 1) / (cores * FEWEST_CHANNELS) * FEWEST_CHANNELS;
    return std::min<int64_t>(sizes.num_channels, std::min(share, MOST_CHANNELS));
}

// 0 if not even one step fits.
inline int64_t StepsPerTile(const ScanTiling& sizes, int64_t memory, int64_t x_bytes)
{
    const int64_t left = memory - ScanBytes(sizes.channels_per_task, 0, x_bytes);
    const int64_t step = ScanBytes(sizes.channels_per_task, 1, x_bytes) - ScanBytes(sizes.channels_per_task, 0, x_bytes);
    return std::max<int64_t>(0, std::min(std::min<int64_t>(sizes.num_steps, MOST_STEPS), left / step));
}

inline int64_t ScanTasks(const ScanTiling& sizes)
{
    return int64_t(sizes.num_batch) * ((sizes.num_channels + sizes.channels_per_task - 1) / sizes.channels_per_task);
}

}  // namespace sfm
