// What the device compiler itself provides: address space words, half, pipe and event names, quantisation modes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "engine/core.h"
#include "engine/kernel_globals.h"

#define __NPU_ARCH__ (__CCE_AICORE__ == 100 ? 1001 : 2201)
#define __aicore__
#define __global__
#define __gm__
#define __ubuf__
#define __cbuf__
#define __ca__
#define __cb__
#define __cc__
#define GM_ADDR __gm__ uint8_t*
#define ASCEND_IS_AIV (g_coreType == AscendC::AIV)
#define ASCEND_IS_AIC (g_coreType == AscendC::AIC)
#define ASCEND_IS_NOT_AIV (g_coreType != AscendC::AIV)
#define ASCEND_IS_NOT_AIC (g_coreType != AscendC::AIC)
#define TILING_KEY_IS(k) (g_tilingKey == (k))
// The launch says what a block is; see `block` in simulate().
#define KERNEL_TASK_TYPE_DEFAULT(type)
#define KERNEL_TASK_TYPE(key, type)
#define GET_TILING_DATA(name, address)                                                                                  \
    static_assert(false, "GET_TILING_DATA: the 910A does not support it, and on the 910B the operator build generates it; " \
                         "read the tiling through a plain __gm__ pointer")

using half = _Float16;

enum pipe_t {
    PIPE_S = 0,
    PIPE_V,
    PIPE_M,
    PIPE_MTE1,
    PIPE_MTE2,
    PIPE_MTE3,
    PIPE_ALL,
    PIPE_FIX = 10,
};
enum event_t { EVENT_ID0 = 0, EVENT_ID1, EVENT_ID2, EVENT_ID3, EVENT_ID4, EVENT_ID5, EVENT_ID6, EVENT_ID7 };
enum class pad_t : uint8_t { PAD_NONE = 0 };
enum QuantMode_t { NoQuant = 0, F322F16 = 1, F322BF16 = 16 };

// float with the lower half of its mantissa cut off, rounded to nearest even.
struct bfloat16_t {
    bfloat16_t() = default;
    bfloat16_t(float value) {
        uint32_t word;
        std::memcpy(&word, &value, 4);
        const bool is_nan = value != value;
        bits = is_nan ? 0x7FFF : uint16_t((word + 0x7FFF + ((word >> 16) & 1)) >> 16);
    }
    operator float() const {
        const uint32_t word = uint32_t(bits) << 16;
        float value;
        std::memcpy(&value, &word, 4);
        return value;
    }
    uint16_t bits;
};

namespace AscendC {
constexpr int32_t MIX = 0;
constexpr int32_t AIC = 1;
constexpr int32_t AIV = 2;
}  // namespace AscendC

namespace ascendc_sim {

// True for any T; lets a static_assert fire only where a kernel uses the template.
template <typename... T>
constexpr bool kOn910B = !kIs910A && sizeof...(T) >= 0;

template <typename T, typename... Allowed>
constexpr bool kIsAnyOf = (std::is_same_v<T, Allowed> || ...);

constexpr Pipe PipeOf(pipe_t pipe) { return pipe == PIPE_FIX ? Pipe::FIX : Pipe(pipe); }

}  // namespace ascendc_sim
