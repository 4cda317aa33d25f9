// Rounding: how results become half, how Cast rounds to integers, and what a chip does beyond half's range.
#pragma once
#include <cmath>
#include <limits>

#include "params.h"

namespace ascendc_sim {

// Nearest even; beyond the range either inf or the largest finite value, as the run's options say.
inline half ToHalf(float value) {
    const half rounded = half(value);
    const bool overflowed = std::isinf(float(rounded)) && (std::isfinite(value) || g_core->machine.options.saturate);
    if (overflowed && g_core->machine.options.saturate) return half(std::copysign(65504.0f, value));
    return rounded;
}

template <typename To>
To Narrow(float value) {
    if constexpr (std::is_same_v<To, half>) {
        return ToHalf(value);
    } else {
        return To(value);
    }
}

// A finite value moved by some last places, drawn from the seed: hardware does not compute Exp and its like as libm does.
template <typename T>
T Blurred(T value) {
    const int ulps = g_core->machine.options.math_ulps;
    if (ulps == 0 || !std::isfinite(float(value)) || value == T(0)) return value;
    using Bits = std::conditional_t<sizeof(T) == 2, uint16_t, uint32_t>;
    Bits bits;
    std::memcpy(&bits, &value, sizeof(T));
    bits = Bits(bits + int(g_core->machine.random() % (2 * ulps + 1)) - ulps);
    T moved;
    std::memcpy(&moved, &bits, sizeof(T));
    return std::isfinite(float(moved)) ? moved : value;
}

// Half whose last bit is set when the value is inexact: rounds to odd.
inline half ToHalfOdd(float value) {
    const half nearest = half(value);
    if (float(nearest) == value || std::isnan(value)) return nearest;
    uint16_t bits;
    std::memcpy(&bits, &nearest, 2);
    if (std::fabs(float(nearest)) > std::fabs(value)) --bits;  // towards zero
    bits |= 1;
    half odd;
    std::memcpy(&odd, &bits, 2);
    return odd;
}

inline double RoundWith(double value, AscendC::RoundMode mode) {
    using AscendC::RoundMode;
    switch (mode) {
        case RoundMode::CAST_FLOOR: return std::floor(value);
        case RoundMode::CAST_CEIL: return std::ceil(value);
        case RoundMode::CAST_ROUND: return std::round(value);
        case RoundMode::CAST_TRUNC: return std::trunc(value);
        default: return std::nearbyint(value);
    }
}

// Half in a direction: the neighbour of the nearest one that the mode asks for.
inline half ToHalfWith(float value, AscendC::RoundMode mode) {
    using AscendC::RoundMode;
    if (mode == RoundMode::CAST_NONE || mode == RoundMode::CAST_RINT) return ToHalf(value);
    if (mode == RoundMode::CAST_ODD) return ToHalfOdd(value);
    const half nearest = half(value);
    const float error = float(nearest) - value;
    uint16_t bits;
    std::memcpy(&bits, &nearest, 2);
    const bool away_from_zero = std::fabs(float(nearest)) > std::fabs(value);
    const bool want_up = mode == RoundMode::CAST_CEIL || (mode == RoundMode::CAST_TRUNC && value < 0);
    const bool want_down = mode == RoundMode::CAST_FLOOR || (mode == RoundMode::CAST_TRUNC && value > 0);
    if ((want_up && error < 0) || (want_down && error > 0)) bits = uint16_t(away_from_zero ? bits - 1 : bits + 1);
    if (mode == RoundMode::CAST_ROUND) {  // ties away from zero
        const uint16_t next = uint16_t(bits + 1);
        half larger;
        std::memcpy(&larger, &next, 2);
        if (!away_from_zero && std::fabs(float(larger) - value) == std::fabs(error)) bits = next;
    }
    half result;
    std::memcpy(&result, &bits, 2);
    return result;
}

template <typename To>
To ToInteger(float value, AscendC::RoundMode mode) {
    const double rounded = RoundWith(value, mode);
    const double low = double(std::numeric_limits<To>::min()), high = double(std::numeric_limits<To>::max());
    if (std::isnan(rounded)) return 0;
    return To(std::min(std::max(rounded, low), high));
}

}  // namespace ascendc_sim
