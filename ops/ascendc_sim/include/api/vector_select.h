// Compare makes one bit per element; Select picks by such bits.
#pragma once
#include "vector_engine.h"

namespace ascendc_sim {

template <typename T>
bool Holds(T a, T b, AscendC::CMPMODE mode) {
    using AscendC::CMPMODE;
    switch (mode) {
        case CMPMODE::LT: return a < b;
        case CMPMODE::GT: return a > b;
        case CMPMODE::EQ: return a == b;
        case CMPMODE::LE: return a <= b;
        case CMPMODE::GE: return a >= b;
        default: return a != b;
    }
}

// Bits of full repeats, packed without gaps: the instruction has no mask and no strides for its destination.
template <typename T, typename U>
void RecordCompare(Entry entry, const Lanes& lanes, const AscendC::LocalTensor<U>& dst, const Operand& a, const Operand& b,
                   AscendC::CMPMODE mode) {
    static_assert(kIsAnyOf<T, half, float> && kIsAnyOf<U, uint8_t, int8_t>, "Compare: half or float to uint8_t or int8_t");
    const Operand bits = {dst.View(), 1};
    RequireVectorTensor(bits, "the destination", kBlockBytes, entry);
    for (const Operand& source : {a, b}) {
        RequireVectorTensor(source, "a source", kBlockBytes, entry);
        if (entry.rejected) return;
        for (const Range& range : OperandRanges(source, lanes, entry)) entry.reads.push_back(range);
    }
    const int bytes_per_repeat = lanes.per_repeat / 8;
    entry.writes = {Bytes(dst.View(), 0, uint64_t(lanes.repeats) * uint64_t(bytes_per_repeat), entry)};
    entry.cycles = VectorCycles(kTwoSources, lanes.repeats, lanes.by_count);
    if (entry.rejected) return;
    entry.effect = [=, first = Reader<T>(a), second = Reader<T>(b), to = dst.View().Data()] {
        for (int repeat = 0; repeat < lanes.repeats; ++repeat) {
            for (int byte = 0; byte < bytes_per_repeat; ++byte) {
                uint8_t packed = 0;
                for (int bit = 0; bit < 8; ++bit) {
                    const int lane = byte * 8 + bit;
                    if (Holds(first(repeat, lane), second(repeat, lane), mode)) packed |= uint8_t(1 << bit);
                }
                to[repeat * bytes_per_repeat + byte] = packed;
            }
        }
    };
    g_core->Record(std::move(entry));
}

template <typename T, typename U, typename Other>
void RecordSelect(Entry entry, const Lanes& lanes, const Operand& dst, const AscendC::LocalTensor<U>& mask, const Operand& a,
                  std::initializer_list<Operand> sources, bool same_bits_every_repeat, Other other) {
    static_assert(kIsAnyOf<T, half, float> || (kOn910B<T> && kIsAnyOf<T, int16_t, int32_t>), "Select: half or float");
    const int bytes_per_repeat = lanes.per_repeat / 8;
    const int num_bytes = same_bits_every_repeat ? bytes_per_repeat
                                                 : bytes_per_repeat * (lanes.repeats - 1) + (lanes.last_lanes + 7) / 8;
    RequireVectorTensor({mask.View(), 1}, "the mask", kBlockBytes, entry);
    entry.reads = {Bytes(mask.View(), 0, uint64_t(num_bytes), entry)};
    if (entry.rejected) return;
    RecordLanes<T>(std::move(entry), lanes, kTwoSources, dst, sources,
                   [=, first = Reader<T>(a), bits = mask.View().Data()](int repeat, int lane) {
                       const int byte = (same_bits_every_repeat ? 0 : repeat * bytes_per_repeat) + lane / 8;
                       return bits[byte] >> (lane % 8) & 1 ? first(repeat, lane) : other(repeat, lane);
                   });
}

inline void RequireSelectMode(AscendC::SELMODE mode, bool scalar, const Entry& entry) {
    const bool by_register = mode == AscendC::SELMODE::VSEL_CMPMASK_SPR;
    const bool by_scalar = mode == AscendC::SELMODE::VSEL_TENSOR_SCALAR_MODE;
    if (scalar == by_scalar && (by_register || !kIs910A)) return;
    g_core->Report("bad_parameter", Describe(entry) + Format(": no SELMODE %d here on the %s", int(mode), kChip.name));
}

template <bool is_set_mask, typename T, typename U>
void Select(const AscendC::LocalTensor<T>& dst, const AscendC::LocalTensor<U>& bits, const AscendC::LocalTensor<T>& src0,
            const AscendC::LocalTensor<T>& src1, AscendC::SELMODE mode, const MaskArgument& mask, uint8_t repeats,
            const AscendC::BinaryRepeatParams& params) {
    Entry entry = MakeEntry(Pipe::V, "Select");
    RequireSelectMode(mode, false, entry);
    const Lanes lanes = LanesOf(mask, is_set_mask, repeats, sizeof(T), entry);
    const Operand a = StridedOperand(src0, params.src0BlkStride, params.src0RepStride);
    const Operand b = StridedOperand(src1, params.src1BlkStride, params.src1RepStride);
    RecordSelect<T>(std::move(entry), lanes, StridedOperand(dst, params.dstBlkStride, params.dstRepStride), bits, a, {a, b},
                    mode == AscendC::SELMODE::VSEL_CMPMASK_SPR, Reader<T>(b));
}

template <typename T, typename U>
void Compare(const AscendC::LocalTensor<U>& dst, const AscendC::LocalTensor<T>& src0, const AscendC::LocalTensor<T>& src1,
             AscendC::CMPMODE mode, uint8_t repeats, const AscendC::BinaryRepeatParams& params) {
    Entry entry = MakeEntry(Pipe::V, "Compare");
    const Lanes lanes = FirstLanes(kRepeatBytes / sizeof(T), repeats, sizeof(T), entry);
    RecordCompare<T, U>(std::move(entry), lanes, dst, StridedOperand(src0, params.src0BlkStride, params.src0RepStride),
                        StridedOperand(src1, params.src1BlkStride, params.src1RepStride), mode);
}

}  // namespace ascendc_sim

namespace AscendC {

// The count has to fill whole repeats of 256 bytes.
template <typename T, typename U>
void Compare(const LocalTensor<U>& dstLocal, const LocalTensor<T>& src0Local, const LocalTensor<T>& src1Local, CMPMODE cmpMode,
             uint32_t calCount) {
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::V, "Compare");
    if (calCount * sizeof(T) % kRepeatBytes != 0) {
        g_core->Report("bad_parameter", Describe(entry) + Format(": %u elements are not whole repeats of 256 bytes", calCount));
    }
    const Lanes lanes = CountedLanes(calCount, sizeof(T), entry);
    RecordCompare<T, U>(std::move(entry), lanes, dstLocal, ContiguousOperand(src0Local, lanes),
                        ContiguousOperand(src1Local, lanes), cmpMode);
}

// The instruction ignores its mask.
template <typename T, typename U, bool isSetMask = true>
void Compare(const LocalTensor<U>& dstLocal, const LocalTensor<T>& src0Local, const LocalTensor<T>& src1Local, CMPMODE cmpMode,
             const uint64_t, uint8_t repeatTimes, const BinaryRepeatParams& repeatParams) {
    ascendc_sim::Compare(dstLocal, src0Local, src1Local, cmpMode, repeatTimes, repeatParams);
}
template <typename T, typename U, bool isSetMask = true>
void Compare(const LocalTensor<U>& dstLocal, const LocalTensor<T>& src0Local, const LocalTensor<T>& src1Local, CMPMODE cmpMode,
             const uint64_t[], uint8_t repeatTimes, const BinaryRepeatParams& repeatParams) {
    ascendc_sim::Compare(dstLocal, src0Local, src1Local, cmpMode, repeatTimes, repeatParams);
}

// VSEL_CMPMASK_SPR uses the same bits in every repeat; VSEL_TENSOR_TENSOR_MODE goes on through the mask tensor.
template <typename T, typename U>
void Select(const LocalTensor<T>& dstLocal, const LocalTensor<U>& selMask, const LocalTensor<T>& src0Local,
            const LocalTensor<T>& src1Local, SELMODE selMode, uint32_t calCount) {
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::V, "Select");
    RequireSelectMode(selMode, false, entry);
    const Lanes lanes = CountedLanes(calCount, sizeof(T), entry);
    const Operand a = ContiguousOperand(src0Local, lanes), b = ContiguousOperand(src1Local, lanes);
    RecordSelect<T>(std::move(entry), lanes, ContiguousOperand(dstLocal, lanes), selMask, a, {a, b},
                    selMode == SELMODE::VSEL_CMPMASK_SPR, Reader<T>(b));
}

template <typename T, typename U, bool isSetMask = true>
void Select(const LocalTensor<T>& dstLocal, const LocalTensor<U>& selMask, const LocalTensor<T>& src0Local,
            const LocalTensor<T>& src1Local, SELMODE selMode, uint64_t mask, uint8_t repeatTimes,
            const BinaryRepeatParams& repeatParams) {
    ascendc_sim::Select<isSetMask>(dstLocal, selMask, src0Local, src1Local, selMode, ascendc_sim::Mask(mask), repeatTimes,
                                   repeatParams);
}
template <typename T, typename U, bool isSetMask = true>
void Select(const LocalTensor<T>& dstLocal, const LocalTensor<U>& selMask, const LocalTensor<T>& src0Local,
            const LocalTensor<T>& src1Local, SELMODE selMode, uint64_t mask[], uint8_t repeatTimes,
            const BinaryRepeatParams& repeatParams) {
    ascendc_sim::Select<isSetMask>(dstLocal, selMask, src0Local, src1Local, selMode, ascendc_sim::Mask(mask), repeatTimes,
                                   repeatParams);
}

template <typename T, typename U>
void Select(const LocalTensor<T>& dstLocal, const LocalTensor<U>& selMask, const LocalTensor<T>& src0Local, T src1Local,
            SELMODE selMode, uint32_t calCount) {
    static_assert(ascendc_sim::kOn910B<T>, "the 910A selects only between two tensors");
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::V, "Select");
    RequireSelectMode(selMode, true, entry);
    const Lanes lanes = CountedLanes(calCount, sizeof(T), entry);
    const Operand a = ContiguousOperand(src0Local, lanes);
    RecordSelect<T>(std::move(entry), lanes, ContiguousOperand(dstLocal, lanes), selMask, a, {a}, false,
                    [src1Local](int, int) { return src1Local; });
}

}  // namespace AscendC
