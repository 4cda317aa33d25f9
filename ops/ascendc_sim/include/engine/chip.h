// The chips: pipes, memory scopes, capacities, event ids and data rates of the 910A (dav-c100) and the 910B (dav-c220).
#pragma once
#include <cstdint>

#if !defined(__CCE_AICORE__) || (__CCE_AICORE__ != 100 && __CCE_AICORE__ != 220)
#error "ascendc_sim: define __CCE_AICORE__ as 100 (910A) or 220 (910B)"
#endif

namespace ascendc_sim {

enum class Pipe : uint8_t { S, V, M, MTE1, MTE2, MTE3, FIX };
constexpr int kNumPipes = 7;
constexpr const char* kPipeNames[kNumPipes] = {"S", "V", "M", "MTE1", "MTE2", "MTE3", "FIX"};

enum class Scope : uint8_t { GM, UB, L1, L0A, L0B, L0C, None };
constexpr int kNumScopes = 6;
constexpr const char* kScopeNames[] = {"GM", "UB", "L1", "L0A", "L0B", "L0C", "none"};

enum class CoreType : uint8_t { Mix, Cube, Vector };

// Rates are bytes per cycle and core; `platform_config/*.ini` for the 910A, figures measured on a 910B3 for the 910B, whose
// number of cores it has.
struct Chip {
    const char* name;
    double ghz;
    bool split;               // Cube and Vector are separate cores (AIC and AIV)
    int cube_cores, vector_cores;
    int event_ids;            // per pipe pair
    uint32_t capacity[kNumScopes];
    uint32_t usable_ub;       // without the 8 KB that the system keeps
    uint32_t usable_l1;       // without what the Matmul library keeps
    double gm_to_ub, gm_to_l1, ub_to_gm, l1_to_l0a, l1_to_l0b, l1_ub, l0c_to_ub, l0c_to_gm, l0c_to_l1;
};

constexpr uint32_t kKilo = 1024;
constexpr Chip k910A = {"910A", 1.0, false, 32, 32, 4,
                        {0, 256 * kKilo, 1024 * kKilo, 64 * kKilo, 64 * kKilo, 256 * kKilo},
                        248 * kKilo, 1024 * kKilo,
                        32, 32, 32, 512, 256, 128, 256, 0, 0};
constexpr Chip k910B = {"910B", 1.8, true, 20, 40, 8,
                        {0, 192 * kKilo, 512 * kKilo, 64 * kKilo, 64 * kKilo, 128 * kKilo},
                        184 * kKilo, 512 * kKilo - 256,
                        54.6, 73, 101.6, 238, 119, 0, 0, 37.8, 69.2};

constexpr bool kIs910A = __CCE_AICORE__ == 100;
constexpr Chip kChip = kIs910A ? k910A : k910B;

constexpr uint32_t kBlockBytes = 32;       // the unit of UB and L1 addresses, and of hazard tracking
constexpr uint32_t kRepeatBytes = 256;     // what a vector instruction handles per repeat
constexpr uint32_t kFractal = 16;          // rows of a Cube fractal
constexpr uint32_t kFractalBytes = 512;    // of a fractal in L0A and L0B

constexpr bool HasPipe(CoreType core, Pipe pipe) {
    if (core == CoreType::Mix) return pipe != Pipe::FIX;
    if (core == CoreType::Vector) return pipe == Pipe::S || pipe == Pipe::V || pipe == Pipe::MTE2 || pipe == Pipe::MTE3;
    return pipe != Pipe::V;
}

}  // namespace ascendc_sim
