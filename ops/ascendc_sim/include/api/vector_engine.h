// The vector unit: what lanes an instruction works on, where their elements lie, and the checks that every instruction needs.
#pragma once
#include "data_copy.h"

namespace ascendc_sim {

// Which lanes of which repeats take part. A call with an element count is full repeats and a partial last one.
struct Lanes {
    int per_repeat;                   // of the widest element type
    int repeats;
    uint64_t mask[2] = {~0ull, ~0ull};
    int last_lanes;                   // lanes of the last repeat
    bool by_count = false;

    bool Active(int repeat, int lane) const {
        if (repeat == repeats - 1 && lane >= last_lanes) return false;
        return mask[lane / 64] >> (lane % 64) & 1;
    }
};

inline Lanes CountedLanes(int64_t count, int element, Entry& entry) {
    const int per_repeat = int(kRepeatBytes) / element;
    if (count <= 0) {
        g_core->Report("bad_parameter", Describe(entry) + Format(": the count is %lld", (long long)count));
        entry.rejected = true;
        count = 1;
    }
    const int repeats = int((count + per_repeat - 1) / per_repeat);
    return {per_repeat, repeats, {~0ull, ~0ull}, int(count - int64_t(repeats - 1) * per_repeat), true};
}

inline void CheckRepeats(int64_t repeats, Entry& entry) {
    if (repeats >= 1 && repeats <= 255) return;
    g_core->Report("bad_repeat", Describe(entry) + Format(": %lld repeats (1 to 255)", (long long)repeats));
    entry.rejected = true;
}

// Lanes by a bit mask; bits beyond the lanes of the type are an error, and so is a mask without any bit.
inline Lanes MaskedLanes(uint64_t low, uint64_t high, int64_t repeats, int element, Entry& entry) {
    const int per_repeat = int(kRepeatBytes) / element;
    CheckRepeats(repeats, entry);
    const bool too_high = per_repeat <= 64 && high != 0;
    if ((low == 0 && high == 0) || too_high) {
        g_core->Report("bad_mask", Describe(entry) + Format(": mask {%#llx, %#llx} for %d lanes", (unsigned long long)low,
                                                            (unsigned long long)high, per_repeat));
        entry.rejected = true;
    }
    return {per_repeat, int(repeats), {low, high}, per_repeat};
}

// Lanes by their number: the first `lanes` of each repeat.
inline Lanes FirstLanes(uint64_t lanes, int64_t repeats, int element, Entry& entry) {
    const uint64_t per_repeat = kRepeatBytes / uint64_t(element);
    if (lanes < 1 || lanes > per_repeat) {
        g_core->Report("bad_mask", Describe(entry) + Format(": %llu lanes (1 to %llu)", (unsigned long long)lanes,
                                                            (unsigned long long)per_repeat));
        entry.rejected = true;
        lanes = 1;
    }
    const uint64_t low = lanes >= 64 ? ~0ull : (1ull << lanes) - 1;
    const uint64_t high = lanes > 64 ? (lanes == 128 ? ~0ull : (1ull << (lanes - 64)) - 1) : 0;
    return MaskedLanes(low, high, repeats, element, entry);
}

// A mask as a call gives it, or the mask register when the call says that it is set already.
struct MaskArgument {
    bool is_bits;
    uint64_t lanes;
    uint64_t bits[2];
};
inline MaskArgument Mask(uint64_t lanes) { return {false, lanes, {0, 0}}; }
inline MaskArgument Mask(const uint64_t bits[]) { return {true, 0, {bits[0], bits[1]}}; }

inline Lanes LanesOf(const MaskArgument& mask, bool is_set_mask, int64_t repeats, int element, Entry& entry) {
    if (!is_set_mask && g_core->count_mask) return CountedLanes(int64_t(g_core->mask[0]), element, entry);
    const bool wide = element >= 4;
    if (!is_set_mask) return MaskedLanes(g_core->mask[0], wide ? 0 : g_core->mask[1], repeats, element, entry);
    return mask.is_bits ? MaskedLanes(mask.bits[0], mask.bits[1], repeats, element, entry)
                        : FirstLanes(mask.lanes, repeats, element, entry);
}

// A tensor operand: lane i of repeat r lies in block i / (32 / element) of that repeat. Strides in units of 32 bytes.
struct Operand {
    View view;
    int element;
    int64_t block_stride = 1;
    int64_t repeat_stride = 8;

    uint64_t Offset(int repeat, int lane) const {
        const int per_block = int(kBlockBytes) / element;
        return uint64_t(repeat * repeat_stride + lane / per_block * block_stride) * kBlockBytes +
               uint64_t(lane % per_block) * uint64_t(element);
    }
    bool Contiguous(const Lanes& lanes) const {
        const int64_t blocks = int64_t(lanes.per_repeat) * element / kBlockBytes;
        return (block_stride == 1 || blocks <= 1) && (repeat_stride == blocks || lanes.repeats == 1);
    }
};

template <typename T>
Operand ContiguousOperand(const AscendC::LocalTensor<T>& tensor, const Lanes& lanes) {
    return {tensor.View(), int(sizeof(T)), 1, int64_t(lanes.per_repeat) * int64_t(sizeof(T)) / kBlockBytes};
}

template <typename T>
Operand StridedOperand(const AscendC::LocalTensor<T>& tensor, int64_t block_stride, int64_t repeat_stride) {
    return {tensor.View(), int(sizeof(T)), block_stride, repeat_stride};
}

// The bytes of an operand's active lanes.
inline std::vector<Range> OperandRanges(const Operand& operand, const Lanes& lanes, Entry& entry) {
    std::vector<Range> ranges;
    const bool full_mask = lanes.mask[0] == ~0ull && (lanes.per_repeat <= 64 || lanes.mask[1] == ~0ull);
    if (full_mask && operand.Contiguous(lanes)) {
        const uint64_t count = uint64_t(lanes.repeats - 1) * uint64_t(lanes.per_repeat) + uint64_t(lanes.last_lanes);
        return {Bytes(operand.view, 0, count * uint64_t(operand.element), entry)};
    }
    for (int repeat = 0; repeat < lanes.repeats; ++repeat) {
        for (int lane = 0; lane < lanes.per_repeat; ++lane) {
            if (!lanes.Active(repeat, lane)) continue;
            Append(ranges, Bytes(operand.view, operand.Offset(repeat, lane), uint64_t(operand.element), entry));
            if (entry.rejected) return {};
        }
    }
    return ranges;
}

inline void RequireVectorTensor(const Operand& operand, const char* what, uint32_t alignment, Entry& entry) {
    RequireAlive(operand.view, entry);
    if (operand.view.scope == Scope::None) return;
    if (operand.view.scope != Scope::UB) {
        g_core->Report("no_such_path", Format("%s: %s is in %s", Describe(entry).c_str(), what,
                                              kScopeNames[int(operand.view.scope)]));
        entry.rejected = true;
    }
    RequireAligned(operand.view.start, alignment, what, entry);
}

inline bool Intersect(const std::vector<Range>& a, const std::vector<Range>& b) {
    for (const Range& x : a) {
        for (const Range& y : b) {
            if (x.scope == y.scope && x.start < y.End() && y.start < x.End()) return true;
        }
    }
    return false;
}

// A source may be the destination itself, lane by lane, but may not overlap it in another way: lanes are read and written
// in an order that no document gives.
inline void CheckOverlap(const Operand& dst, const Operand& src, const std::vector<Range>& written,
                         const std::vector<Range>& read, const Lanes& lanes, const Entry& entry) {
    const bool same_place = dst.view.start == src.view.start && dst.element == src.element;
    const bool same_strides = (dst.repeat_stride == src.repeat_stride || lanes.repeats == 1) &&
                              (dst.block_stride == src.block_stride || lanes.per_repeat * dst.element <= int(kBlockBytes));
    if ((same_place && same_strides) || !Intersect(written, read)) return;
    g_core->Report("overlap", Describe(entry) + ": the destination at " +
                                  Describe(Range{dst.view.scope, dst.view.start, dst.view.length}) +
                                  " overlaps a source with another start or stride");
}

inline void CheckDestination(const Operand& dst, const Lanes& lanes, const Entry& entry) {
    if (lanes.repeats == 1 || dst.repeat_stride != 0) return;
    g_core->Report("overlap", Describe(entry) + ": a repeat stride of 0 makes all repeats write to the same place");
}

// Records a lane by lane instruction. `lane` is called with (repeat, lane) for active lanes and returns the value to store;
// all lanes of a repeat are read before any is written.
template <typename Dst, typename Lane>
void RecordLanes(Entry entry, const Lanes& lanes, VectorCost cost, const Operand& dst, std::initializer_list<Operand> sources,
                 const Lane& lane) {
    RequireVectorTensor(dst, "the destination", kBlockBytes, entry);
    for (const Operand& source : sources) RequireVectorTensor(source, "a source", kBlockBytes, entry);
    if (entry.rejected) return;
    entry.writes = OperandRanges(dst, lanes, entry);
    CheckDestination(dst, lanes, entry);
    for (const Operand& source : sources) {
        const std::vector<Range> read = OperandRanges(source, lanes, entry);
        CheckOverlap(dst, source, entry.writes, read, lanes, entry);
        entry.reads.insert(entry.reads.end(), read.begin(), read.end());
    }
    entry.cycles = VectorCycles(cost, lanes.repeats, lanes.by_count);
    if (!entry.rejected) {
        entry.effect = [lanes, dst, to = dst.view.Data(), lane] {
            Dst values[kRepeatBytes];
            for (int repeat = 0; repeat < lanes.repeats; ++repeat) {
                for (int i = 0; i < lanes.per_repeat; ++i) {
                    if (lanes.Active(repeat, i)) values[i] = lane(repeat, i);
                }
                for (int i = 0; i < lanes.per_repeat; ++i) {
                    if (lanes.Active(repeat, i)) std::memcpy(to + dst.Offset(repeat, i), &values[i], sizeof(Dst));
                }
            }
        };
    }
    g_core->Record(std::move(entry));
}

// Reads an operand's elements when the instruction runs.
template <typename T>
struct Reader {
    explicit Reader(const Operand& source)
        : operand(source), data(source.view.scope == Scope::None ? nullptr : source.view.Data()) {}
    T operator()(int repeat, int lane) const {
        T value;
        std::memcpy(&value, data + operand.Offset(repeat, lane), sizeof(T));
        return value;
    }
    Operand operand;
    const uint8_t* data;
};

}  // namespace ascendc_sim

namespace AscendC {

template <typename T, MaskMode mode = MaskMode::NORMAL>
void SetVectorMask(const uint64_t maskHigh, const uint64_t maskLow) {
    ascendc_sim::g_core->mask[0] = maskLow;
    ascendc_sim::g_core->mask[1] = maskHigh;
}

template <typename T, MaskMode mode = MaskMode::NORMAL>
void SetVectorMask(int32_t len) {
    if (mode == MaskMode::COUNTER) return SetVectorMask<T, mode>(0, uint64_t(len));
    const uint64_t low = len >= 64 ? ~0ull : (1ull << len) - 1;
    const uint64_t high = len <= 64 ? 0 : len >= 128 ? ~0ull : (1ull << (len - 64)) - 1;
    SetVectorMask<T, mode>(high, low);
}

template <bool enable = true>
void SetMaskCount() {
    static_assert(!enable || !ascendc_sim::kIs910A, "the 910A has no counting mask");
    ascendc_sim::g_core->count_mask = true;
}

template <bool enable = true>
void SetMaskNorm() {
    static_assert(!enable || !ascendc_sim::kIs910A, "the 910A has no counting mask to leave");
    ascendc_sim::g_core->count_mask = false;
}

template <bool enable = true>
void ResetMask() {
    static_assert(!enable || !ascendc_sim::kIs910A, "the 910A documents no ResetMask; set the mask with SetVectorMask");
    ascendc_sim::g_core->mask[0] = ascendc_sim::g_core->mask[1] = ~0ull;
}

}  // namespace AscendC
