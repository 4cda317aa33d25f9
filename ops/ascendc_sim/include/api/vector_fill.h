// Vector instructions that convert, fill, copy or spread elements.
#pragma once
#include "vector_engine.h"

namespace ascendc_sim {

constexpr unsigned ModeBit(AscendC::RoundMode mode) { return 1u << int(mode); }
constexpr unsigned kNone = ModeBit(AscendC::RoundMode::CAST_NONE), kRint = ModeBit(AscendC::RoundMode::CAST_RINT),
                   kOdd = ModeBit(AscendC::RoundMode::CAST_ODD), kToInteger = 0x3E;  // RINT FLOOR CEIL ROUND TRUNC

// Legal round modes of a conversion on this chip as bits; 0 if there is no such conversion.
template <typename Dst, typename Src>
constexpr unsigned CastModes() {
    if (std::is_same_v<Dst, float> && kIsAnyOf<Src, half, bfloat16_t>) return kNone;
    if (std::is_same_v<Dst, half> && std::is_same_v<Src, float>) return kNone | kOdd | (kIs910A ? 0 : kToInteger);
    if (std::is_same_v<Dst, bfloat16_t> && std::is_same_v<Src, float>) return kIs910A ? 0 : kRint;
    if (std::is_same_v<Dst, int32_t> && kIsAnyOf<Src, half, float>) return kToInteger;
    if (std::is_same_v<Dst, float> && std::is_same_v<Src, int32_t>) return kNone | (kIs910A ? 0 : kToInteger);
    return 0;
}

template <typename Dst, typename Src>
Dst Converted(Src value, AscendC::RoundMode mode) {
    if constexpr (std::is_integral_v<Dst>) {
        return ToInteger<Dst>(float(value), mode);
    } else if constexpr (std::is_same_v<Dst, half>) {
        return ToHalfWith(float(value), mode);
    } else {
        return Dst(float(value));
    }
}

template <typename Dst, typename Src>
void RecordCast(Entry entry, const Lanes& lanes, const Operand& dst, const Operand& src, AscendC::RoundMode mode) {
    static_assert(CastModes<Dst, Src>() != 0, "Cast: this chip has no conversion between the element types");
    if (!(CastModes<Dst, Src>() & ModeBit(mode))) {
        g_core->Report("cast_mode", Describe(entry) + Format(": the %s does not round this conversion with RoundMode %d "
                                                             "(on hardware it writes nothing or zeros)", kChip.name, int(mode)));
    }
    const Reader<Src> source(src);
    RecordLanes<Dst>(std::move(entry), lanes, kOneSource, dst, {src},
                     [=](int repeat, int lane) { return Converted<Dst>(source(repeat, lane), mode); });
}

template <typename T>
constexpr bool kFillable = kIsAnyOf<T, half, float, int16_t, uint16_t, int32_t, uint32_t, bfloat16_t>;

template <typename T>
void RecordFill(Entry entry, const Lanes& lanes, const Operand& dst, T value) {
    static_assert(kFillable<T>, "Duplicate: 16- and 32-bit element types");
    RecordLanes<T>(std::move(entry), lanes, kOneSource, dst, {}, [=](int, int) { return value; });
}

template <bool is_set_mask, typename T1, typename T2>
void Cast(const AscendC::LocalTensor<T1>& dst, const AscendC::LocalTensor<T2>& src, AscendC::RoundMode mode,
          const MaskArgument& mask, uint8_t repeats, const AscendC::UnaryRepeatParams& params) {
    Entry entry = MakeEntry(Pipe::V, "Cast");
    const Lanes lanes = LanesOf(mask, is_set_mask, repeats, int(std::max(sizeof(T1), sizeof(T2))), entry);
    RecordCast<T1, T2>(std::move(entry), lanes, StridedOperand(dst, params.dstBlkStride, params.dstRepStride),
                       StridedOperand(src, params.srcBlkStride, params.srcRepStride), mode);
}

template <bool is_set_mask, typename T>
void Duplicate(const AscendC::LocalTensor<T>& dst, T value, const MaskArgument& mask, uint8_t repeats, uint16_t block_stride,
               uint8_t repeat_stride) {
    Entry entry = MakeEntry(Pipe::V, "Duplicate");
    const Lanes lanes = LanesOf(mask, is_set_mask, repeats, sizeof(T), entry);
    RecordFill(std::move(entry), lanes, StridedOperand(dst, block_stride, repeat_stride), value);
}

}  // namespace ascendc_sim

namespace AscendC {

template <typename T1, typename T2>
void Cast(const LocalTensor<T1>& dstLocal, const LocalTensor<T2>& srcLocal, const RoundMode& round_mode,
          const uint32_t calCount) {
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::V, "Cast");
    const Lanes lanes = CountedLanes(calCount, int(std::max(sizeof(T1), sizeof(T2))), entry);
    RecordCast<T1, T2>(std::move(entry), lanes, ContiguousOperand(dstLocal, lanes), ContiguousOperand(srcLocal, lanes),
                       round_mode);
}
template <typename T1, typename T2, bool isSetMask = true>
void Cast(const LocalTensor<T1>& dstLocal, const LocalTensor<T2>& srcLocal, const RoundMode& round_mode, const uint64_t mask,
          const uint8_t repeatTimes, const UnaryRepeatParams& repeatParams) {
    ascendc_sim::Cast<isSetMask>(dstLocal, srcLocal, round_mode, ascendc_sim::Mask(mask), repeatTimes, repeatParams);
}
template <typename T1, typename T2, bool isSetMask = true>
void Cast(const LocalTensor<T1>& dstLocal, const LocalTensor<T2>& srcLocal, const RoundMode& round_mode, const uint64_t mask[],
          const uint8_t repeatTimes, const UnaryRepeatParams& repeatParams) {
    ascendc_sim::Cast<isSetMask>(dstLocal, srcLocal, round_mode, ascendc_sim::Mask(mask), repeatTimes, repeatParams);
}

template <typename T>
void Duplicate(const LocalTensor<T>& dstLocal, const T& scalarValue, const int32_t& calCount) {
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::V, "Duplicate");
    const Lanes lanes = CountedLanes(calCount, sizeof(T), entry);
    RecordFill(std::move(entry), lanes, ContiguousOperand(dstLocal, lanes), scalarValue);
}
template <typename T, bool isSetMask = true>
void Duplicate(const LocalTensor<T>& dstLocal, const T& scalarValue, uint64_t mask, const uint8_t repeatTimes,
               const uint16_t dstBlockStride, const uint8_t dstRepeatStride) {
    ascendc_sim::Duplicate<isSetMask>(dstLocal, scalarValue, ascendc_sim::Mask(mask), repeatTimes, dstBlockStride,
                                      dstRepeatStride);
}
template <typename T, bool isSetMask = true>
void Duplicate(const LocalTensor<T>& dstLocal, const T& scalarValue, uint64_t mask[], const uint8_t repeatTimes,
               const uint16_t dstBlockStride, const uint8_t dstRepeatStride) {
    ascendc_sim::Duplicate<isSetMask>(dstLocal, scalarValue, ascendc_sim::Mask(mask), repeatTimes, dstBlockStride,
                                      dstRepeatStride);
}

template <typename T, bool isSetMask = true>
void Copy(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const uint64_t mask, const uint8_t repeatTimes,
          const CopyRepeatParams& repeatParams) {
    static_assert(ascendc_sim::kOn910B<T>, "the 910A has no Copy; use DataCopy from UB to UB");
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::V, "Copy");
    const Lanes lanes = LanesOf(Mask(mask), isSetMask, repeatTimes, sizeof(T), entry);
    const Operand src = StridedOperand(srcLocal, repeatParams.srcStride, repeatParams.srcRepeatSize);
    const Operand dst = StridedOperand(dstLocal, repeatParams.dstStride, repeatParams.dstRepeatSize);
    RecordLanes<T>(std::move(entry), lanes, kOneSource, dst, {src}, Reader<T>(src));
}

// Each repeat spreads eight elements over eight blocks of 32 bytes.
template <typename T>
void Brcb(const LocalTensor<T>& dstLocal, const LocalTensor<T>& src0Local, const uint8_t repeatTimes,
          const BrcbRepeatParams& repeatParams) {
    static_assert(ascendc_sim::kOn910B<T>, "the 910A has no Brcb; give a source a block stride of 0, or use Duplicate");
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::V, "Brcb");
    const Lanes lanes = FirstLanes(kRepeatBytes / sizeof(T), repeatTimes, sizeof(T), entry);
    const Operand dst = StridedOperand(dstLocal, repeatParams.dstBlkStride, repeatParams.dstRepStride);
    RequireVectorTensor(StridedOperand(src0Local, 1, 1), "the source", kBlockBytes, entry);
    entry.reads = {Bytes(src0Local.View(), 0, repeatTimes * 8 * sizeof(T), entry)};
    const uint8_t* data = entry.rejected ? nullptr : src0Local.View().Data();
    RecordLanes<T>(std::move(entry), lanes, kOneSource, dst, {}, [data](int repeat, int lane) {
        T value;
        std::memcpy(&value, data + (repeat * 8 + lane / int(kBlockBytes / sizeof(T))) * sizeof(T), sizeof(T));
        return value;
    });
}

// dst[i] = src[(srcBaseAddr + offset[i]) / sizeof(T)]: offsets in bytes.
template <typename T>
void Gather(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const LocalTensor<uint32_t>& srcOffsetLocal,
            const uint32_t srcBaseAddr, const uint32_t count) {
    static_assert(ascendc_sim::kOn910B<T>, "the 910A has no Gather");
    static_assert(sizeof(T) == 2 || sizeof(T) == 4, "Gather: 16- and 32-bit element types");
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::V, "Gather");
    const Lanes lanes = CountedLanes(count, 4, entry);
    const Operand offsets = ContiguousOperand(srcOffsetLocal, lanes);
    RequireVectorTensor(offsets, "the offsets", kBlockBytes, entry);
    RequireVectorTensor(StridedOperand(srcLocal, 1, 8), "the source", kBlockBytes, entry);
    entry.reads = {{Scope::UB, srcLocal.View().start, srcLocal.View().length}};
    if (entry.rejected) return;
    const Reader<uint32_t> offset(offsets);
    RecordLanes<T>(std::move(entry), lanes, kTwoSources, ContiguousOperand(dstLocal, lanes), {offsets},
                   [=, core = g_core, view = srcLocal.View()](int repeat, int lane) {
                       const uint64_t at = uint64_t(srcBaseAddr) + offset(repeat, lane);
                       T value{};
                       if (at + sizeof(T) > view.length) {
                           core->Report("out_of_range", Format("Gather: offset %llu in a tensor of %u bytes",
                                                               (unsigned long long)at, view.length));
                       } else {
                           std::memcpy(&value, core->At(Scope::UB, view.start + at), sizeof(T));
                       }
                       return value;
                   });
}

}  // namespace AscendC
