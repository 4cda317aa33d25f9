// The global variables that kernels read by name; they are set before a core's kernel body runs or goes on.
#pragma once
#include <cstdint>

inline int32_t g_coreType = 0;      // AscendC::MIX, AIC or AIV
inline uint64_t g_tilingKey = 0;
