// The cycle model: a start-up cost and a rate per kind of operation. A model, not a measurement of the kernel.
//
// Vector slopes and start-ups were published for the 910B3 (pto-isa's cost model) and are used for both chips; on the 910A
// they are unverified.
#pragma once
#include "chip.h"

namespace ascendc_sim {

struct VectorCost {
    double per_repeat;
    double start_up;
};

constexpr VectorCost kTwoSources = {2, 24}, kOneSource = {1, 26}, kTranscendental = {2, 32}, kDivide = {4, 31},
                     kSquareRoot = {2, 32}, kReciprocal = {1, 32}, kBlockReduce = {1, 38}, kWholeReduce = {7, 46};
constexpr double kCountMaskCycles = 16;   // the extra cost of a call with an element count on the 910B

constexpr double VectorCycles(VectorCost cost, double repeats, bool by_count) {
    return cost.start_up + cost.per_repeat * repeats + (by_count && !kIs910A ? kCountMaskCycles : 0);
}

// One 16x16x16 block of multiply-adds a cycle.
constexpr double kCubeFlopRate = 2 * kFractal * kFractal * kFractal;

constexpr double CubeCycles(double fractals_m, double fractals_n, double fractals_k) {
    return 6 + fractals_m * fractals_n * fractals_k;
}

// A copy is busy for its bytes at the rate of the slower end, and a descriptor more.
constexpr double kDescriptorCycles = 8;

constexpr double CopyCycles(Scope from, Scope to, double bytes) {
    double rate = kChip.l1_ub;
    if (from == Scope::GM) {
        rate = to == Scope::L1 ? kChip.gm_to_l1 : kChip.gm_to_ub;
    } else if (to == Scope::GM) {
        rate = from == Scope::L0C ? kChip.l0c_to_gm : kChip.ub_to_gm;
    } else if (to == Scope::L0A || to == Scope::L0B) {
        rate = to == Scope::L0A ? kChip.l1_to_l0a : kChip.l1_to_l0b;
    } else if (from == Scope::L0C || to == Scope::L0C) {
        rate = to == Scope::L1 ? kChip.l0c_to_l1 : kChip.l0c_to_ub;
    } else if (from == to) {
        rate = kRepeatBytes;
    }
    return kDescriptorCycles + bytes / rate;
}

// How long after its last byte was asked for a copy from or to GM is complete. An estimate.
constexpr double CopyLatency(Scope from, Scope to) { return from == Scope::GM || to == Scope::GM ? 300 : 0; }

}  // namespace ascendc_sim
