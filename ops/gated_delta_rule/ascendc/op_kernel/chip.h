// What the two chips have: memories, kinds of cores, and flags by what they say.
//
// The 910 has one kind of core. On the 910B a Cube core and two vector cores run this same source and meet in global memory
// only: a core leaves out what needs a pipe of the other kind.

#pragma once

#include "kernel_operator.h"

namespace sfm {

using namespace AscendC;

#if __CCE_AICORE__ == 220
constexpr int32_t UNIFIED_BYTES = 184 * 1024, L1_BYTES = 512 * 1024 - 256, L0_BYTES = 64 * 1024, L0C_BYTES = 128 * 1024;
constexpr int32_t NUM_SHARES = 2;  // vector cores that share the work of one Cube core
__aicore__ inline bool HasCube() { return g_coreType == AIC; }
__aicore__ inline bool HasVector() { return g_coreType == AIV; }
__aicore__ inline int32_t Share() { return GetSubBlockIdx(); }
__aicore__ inline int32_t BlockIndex() { return HasVector() ? GetBlockIdx() / NUM_SHARES : GetBlockIdx(); }

// A product in L0C is complete, its place is free; what came from the Cube, or from the Vector, is in L1; what
// lies in L1 has been read.
constexpr HardEvent PRODUCT_DONE = HardEvent::M_FIX, PRODUCT_FREE = HardEvent::FIX_M;
constexpr HardEvent FROM_CUBE = HardEvent::FIX_MTE1, FROM_VECTOR = HardEvent::MTE2_MTE1;
constexpr HardEvent READ_BY_CUBE = HardEvent::MTE1_FIX;
constexpr int32_t OPERANDS_FLAG = 4;  // M_MTE1; CANN keeps the first ones
#else
constexpr int32_t UNIFIED_BYTES = 248 * 1024, L1_BYTES = 1024 * 1024, L0_BYTES = 64 * 1024, L0C_BYTES = 256 * 1024;
constexpr int32_t NUM_SHARES = 1;
__aicore__ inline bool HasCube() { return true; }
__aicore__ inline bool HasVector() { return true; }
__aicore__ inline int32_t Share() { return 0; }
__aicore__ inline int32_t BlockIndex() { return GetBlockIdx(); }

constexpr HardEvent PRODUCT_DONE = HardEvent::M_V, PRODUCT_FREE = HardEvent::V_M;
constexpr HardEvent FROM_CUBE = HardEvent::MTE3_MTE1, FROM_VECTOR = HardEvent::MTE3_MTE1;
constexpr HardEvent READ_BY_CUBE = HardEvent::MTE1_MTE3;
constexpr int32_t OPERANDS_FLAG = 0;
#endif

// Whether this core does its share of the Vector's work on number `index` of something.
__aicore__ inline bool IsMine(int32_t index) { return HasVector() && index % NUM_SHARES == Share(); }

// What a vector instruction writes, the next one may read.
__aicore__ inline void Settle()
{
    if (HasVector()) {
        PipeBarrier<PIPE_V>();
    }
}

// Flags between pipes that this core has.
constexpr bool IsOfVector(HardEvent event)
{
    return event == HardEvent::MTE2_V || event == HardEvent::V_MTE2 || event == HardEvent::MTE3_V || event == HardEvent::V_MTE3;
}

template <HardEvent event>
__aicore__ inline void Raise(int32_t id)
{
    if (IsOfVector(event) ? HasVector() : HasCube()) {
        SetFlag<event>(id);
    }
}

template <HardEvent event>
__aicore__ inline void Await(int32_t id)
{
    if (IsOfVector(event) ? HasVector() : HasCube()) {
        WaitFlag<event>(id);
    }
}

}  // namespace sfm
