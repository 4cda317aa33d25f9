// Lane by lane vector instructions with one or two tensors, and with a tensor and a scalar.
//
// Each has three forms: a count of elements, a number of lanes with repeats, and a bit mask with repeats. The macros at the
// end make the forms of one instruction; the templates before them do the work.
#pragma once
#include "vector_engine.h"

namespace ascendc_sim {

// Half arithmetic is exact in float and then rounded once, which is correctly rounded for the basic operations.
template <typename T, typename Function>
T Rounded(Function function) {
    if constexpr (std::is_same_v<T, half>) {
        return ToHalf(function());
    } else {
        return T(function());
    }
}
template <typename T>
auto Wide(T value) {
    if constexpr (std::is_same_v<T, half>) {
        return float(value);
    } else {
        return value;
    }
}

struct AddLane { template <typename T> T operator()(T a, T b) const { return Rounded<T>([&] { return Wide(a) + Wide(b); }); } };
struct SubLane { template <typename T> T operator()(T a, T b) const { return Rounded<T>([&] { return Wide(a) - Wide(b); }); } };
struct MulLane { template <typename T> T operator()(T a, T b) const { return Rounded<T>([&] { return Wide(a) * Wide(b); }); } };
struct DivLane { template <typename T> T operator()(T a, T b) const { return Rounded<T>([&] { return Wide(a) / Wide(b); }); } };
struct MaxLane { template <typename T> T operator()(T a, T b) const { return a > b ? a : b; } };
struct MinLane { template <typename T> T operator()(T a, T b) const { return a < b ? a : b; } };
struct AndLane { template <typename T> T operator()(T a, T b) const { return T(a & b); } };
struct OrLane { template <typename T> T operator()(T a, T b) const { return T(a | b); } };

struct AbsLane { template <typename T> T operator()(T a) const { return a < T(0) ? T(-a) : a; } };
struct ReluLane { template <typename T> T operator()(T a) const { return a > T(0) ? a : T(0); } };
struct NotLane { template <typename T> T operator()(T a) const { return T(~a); } };
struct ExpLane { template <typename T> T operator()(T a) const { return Blurred(Narrow<T>(std::exp(float(a)))); } };
struct LnLane { template <typename T> T operator()(T a) const { return Blurred(Narrow<T>(std::log(float(a)))); } };
struct SqrtLane { template <typename T> T operator()(T a) const { return Blurred(Narrow<T>(std::sqrt(float(a)))); } };
struct RsqrtLane { template <typename T> T operator()(T a) const { return Blurred(Narrow<T>(1.0f / std::sqrt(float(a)))); } };
struct ReciprocalLane { template <typename T> T operator()(T a) const { return Blurred(Narrow<T>(1.0f / float(a))); } };

// Element types by instruction and chip, as documented.
template <typename T>
constexpr bool kFloating = kIsAnyOf<T, half, float>;
template <typename T>
constexpr bool kArithmetic = kIsAnyOf<T, half, float, int32_t> || (kOn910B<T> && std::is_same_v<T, int16_t>);
template <typename T>
constexpr bool kScalable = kFloating<T> || (kOn910B<T> && kIsAnyOf<T, int16_t, int32_t>);
template <typename T>
constexpr bool kBits = kIsAnyOf<T, int16_t, uint16_t>;
template <typename T>
constexpr bool kRectifiable = std::is_same_v<T, half> || (kOn910B<T> && kIsAnyOf<T, float, int32_t>);
template <typename T>
constexpr bool kScalable910B = kOn910B<T> && kIsAnyOf<T, half, float, int16_t, int32_t>;

template <typename T, typename Function>
void RecordBinary(Entry entry, const Lanes& lanes, VectorCost cost, const Operand& dst, const Operand& a, const Operand& b,
                  Function function) {
    const Reader<T> first(a), second(b);
    RecordLanes<T>(std::move(entry), lanes, cost, dst, {a, b},
                   [=](int repeat, int lane) { return function(first(repeat, lane), second(repeat, lane)); });
}

template <typename T, typename Function>
void RecordUnary(Entry entry, const Lanes& lanes, VectorCost cost, const Operand& dst, const Operand& a, Function function) {
    const Reader<T> source(a);
    RecordLanes<T>(std::move(entry), lanes, cost, dst, {a}, [=](int repeat, int lane) { return function(source(repeat, lane)); });
}

template <typename Function, typename T>
void Binary(const char* name, VectorCost cost, const AscendC::LocalTensor<T>& dst, const AscendC::LocalTensor<T>& a,
            const AscendC::LocalTensor<T>& b, int32_t count) {
    Entry entry = MakeEntry(Pipe::V, name);
    const Lanes lanes = CountedLanes(count, sizeof(T), entry);
    RecordBinary<T>(std::move(entry), lanes, cost, ContiguousOperand(dst, lanes), ContiguousOperand(a, lanes),
                    ContiguousOperand(b, lanes), Function());
}

template <typename Function, bool is_set_mask, typename T>
void Binary(const char* name, VectorCost cost, const AscendC::LocalTensor<T>& dst, const AscendC::LocalTensor<T>& a,
            const AscendC::LocalTensor<T>& b, const MaskArgument& mask, uint8_t repeats,
            const AscendC::BinaryRepeatParams& params) {
    Entry entry = MakeEntry(Pipe::V, name);
    const Lanes lanes = LanesOf(mask, is_set_mask, repeats, sizeof(T), entry);
    RecordBinary<T>(std::move(entry), lanes, cost, StridedOperand(dst, params.dstBlkStride, params.dstRepStride),
                    StridedOperand(a, params.src0BlkStride, params.src0RepStride),
                    StridedOperand(b, params.src1BlkStride, params.src1RepStride), Function());
}

template <typename T, typename Function>
void Unary(const char* name, VectorCost cost, const AscendC::LocalTensor<T>& dst, const AscendC::LocalTensor<T>& src,
           int32_t count, Function function) {
    Entry entry = MakeEntry(Pipe::V, name);
    const Lanes lanes = CountedLanes(count, sizeof(T), entry);
    RecordUnary<T>(std::move(entry), lanes, cost, ContiguousOperand(dst, lanes), ContiguousOperand(src, lanes), function);
}

template <bool is_set_mask, typename T, typename Function>
void Unary(const char* name, VectorCost cost, const AscendC::LocalTensor<T>& dst, const AscendC::LocalTensor<T>& src,
           const MaskArgument& mask, uint8_t repeats, const AscendC::UnaryRepeatParams& params, Function function) {
    Entry entry = MakeEntry(Pipe::V, name);
    const Lanes lanes = LanesOf(mask, is_set_mask, repeats, sizeof(T), entry);
    RecordUnary<T>(std::move(entry), lanes, cost, StridedOperand(dst, params.dstBlkStride, params.dstRepStride),
                   StridedOperand(src, params.srcBlkStride, params.srcRepStride), function);
}

// An instruction with a scalar is the two-source one with the scalar bound.
template <typename Function, typename T>
auto WithScalar(T scalar) {
    return [scalar](T a) { return Function()(a, scalar); };
}

// dst + scalar * src: rounded once, as a fused operation; into float it may take half sources.
template <typename T, typename U>
void RecordAxpy(Entry entry, const Lanes& lanes, const Operand& dst, const Operand& src, U scalar) {
    static_assert(kFloating<T> && (std::is_same_v<T, U> || std::is_same_v<U, half>), "Axpy: half or float");
    const Reader<T> before(dst);
    const Reader<U> source(src);
    RecordLanes<T>(std::move(entry), lanes, kTwoSources, dst, {dst, src}, [=](int repeat, int lane) {
        return Narrow<T>(std::fma(float(source(repeat, lane)), float(scalar), float(before(repeat, lane))));
    });
}

template <bool is_set_mask, typename T, typename U>
void Axpy(const AscendC::LocalTensor<T>& dst, const AscendC::LocalTensor<U>& src, U scalar, const MaskArgument& mask,
          uint8_t repeats, const AscendC::UnaryRepeatParams& params) {
    Entry entry = MakeEntry(Pipe::V, "Axpy");
    const Lanes lanes = LanesOf(mask, is_set_mask, repeats, int(std::max(sizeof(T), sizeof(U))), entry);
    RecordAxpy<T, U>(std::move(entry), lanes, StridedOperand(dst, params.dstBlkStride, params.dstRepStride),
                     StridedOperand(src, params.srcBlkStride, params.srcRepStride), scalar);
}

}  // namespace ascendc_sim

namespace AscendC {

#define ASCENDC_SIM_BINARY(name, types, cost)                                                                            \
    template <typename T>                                                                                                \
    void name(const LocalTensor<T>& dstLocal, const LocalTensor<T>& src0Local, const LocalTensor<T>& src1Local,          \
              const int32_t& calCount) {                                                                                 \
        static_assert(ascendc_sim::types<T>, #name ": this chip does not support the element type");                     \
        ascendc_sim::Binary<ascendc_sim::name##Lane>(#name, ascendc_sim::cost, dstLocal, src0Local, src1Local, calCount); \
    }                                                                                                                    \
    template <typename T, bool isSetMask = true>                                                                         \
    void name(const LocalTensor<T>& dstLocal, const LocalTensor<T>& src0Local, const LocalTensor<T>& src1Local,          \
              uint64_t mask, const uint8_t repeatTimes, const BinaryRepeatParams& repeatParams) {                        \
        static_assert(ascendc_sim::types<T>, #name ": this chip does not support the element type");                     \
        ascendc_sim::Binary<ascendc_sim::name##Lane, isSetMask>(#name, ascendc_sim::cost, dstLocal, src0Local, src1Local, \
                                                                ascendc_sim::Mask(mask), repeatTimes, repeatParams);     \
    }                                                                                                                    \
    template <typename T, bool isSetMask = true>                                                                         \
    void name(const LocalTensor<T>& dstLocal, const LocalTensor<T>& src0Local, const LocalTensor<T>& src1Local,          \
              uint64_t mask[], const uint8_t repeatTimes, const BinaryRepeatParams& repeatParams) {                      \
        static_assert(ascendc_sim::types<T>, #name ": this chip does not support the element type");                     \
        ascendc_sim::Binary<ascendc_sim::name##Lane, isSetMask>(#name, ascendc_sim::cost, dstLocal, src0Local, src1Local, \
                                                                ascendc_sim::Mask(mask), repeatTimes, repeatParams);     \
    }

#define ASCENDC_SIM_UNARY(name, types, cost)                                                                             \
    template <typename T>                                                                                                \
    void name(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const int32_t& calCount) {                 \
        static_assert(ascendc_sim::types<T>, #name ": this chip does not support the element type");                     \
        ascendc_sim::Unary(#name, ascendc_sim::cost, dstLocal, srcLocal, calCount, ascendc_sim::name##Lane());           \
    }                                                                                                                    \
    template <typename T, bool isSetMask = true>                                                                         \
    void name(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, uint64_t mask, const uint8_t repeatTimes,  \
              const UnaryRepeatParams& repeatParams) {                                                                   \
        static_assert(ascendc_sim::types<T>, #name ": this chip does not support the element type");                     \
        ascendc_sim::Unary<isSetMask>(#name, ascendc_sim::cost, dstLocal, srcLocal, ascendc_sim::Mask(mask), repeatTimes, \
                                      repeatParams, ascendc_sim::name##Lane());                                          \
    }                                                                                                                    \
    template <typename T, bool isSetMask = true>                                                                         \
    void name(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, uint64_t mask[], const uint8_t repeatTimes, \
              const UnaryRepeatParams& repeatParams) {                                                                   \
        static_assert(ascendc_sim::types<T>, #name ": this chip does not support the element type");                     \
        ascendc_sim::Unary<isSetMask>(#name, ascendc_sim::cost, dstLocal, srcLocal, ascendc_sim::Mask(mask), repeatTimes, \
                                      repeatParams, ascendc_sim::name##Lane());                                          \
    }

#define ASCENDC_SIM_SCALAR(name, lane, types)                                                                            \
    template <typename T, bool isSetMask = true>                                                                         \
    void name(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const T& scalarValue,                      \
              const int32_t& calCount) {                                                                                 \
        static_assert(ascendc_sim::types<T>, #name ": this chip does not support the element type");                     \
        ascendc_sim::Unary(#name, ascendc_sim::kOneSource, dstLocal, srcLocal, calCount,                                 \
                           ascendc_sim::WithScalar<ascendc_sim::lane>(scalarValue));                                     \
    }                                                                                                                    \
    template <typename T, bool isSetMask = true>                                                                         \
    void name(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const T& scalarValue, uint64_t mask,       \
              const uint8_t repeatTimes, const UnaryRepeatParams& repeatParams) {                                        \
        static_assert(ascendc_sim::types<T>, #name ": this chip does not support the element type");                     \
        ascendc_sim::Unary<isSetMask>(#name, ascendc_sim::kOneSource, dstLocal, srcLocal, ascendc_sim::Mask(mask),       \
                                      repeatTimes, repeatParams, ascendc_sim::WithScalar<ascendc_sim::lane>(scalarValue)); \
    }                                                                                                                    \
    template <typename T, bool isSetMask = true>                                                                         \
    void name(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const T& scalarValue, uint64_t mask[],     \
              const uint8_t repeatTimes, const UnaryRepeatParams& repeatParams) {                                        \
        static_assert(ascendc_sim::types<T>, #name ": this chip does not support the element type");                     \
        ascendc_sim::Unary<isSetMask>(#name, ascendc_sim::kOneSource, dstLocal, srcLocal, ascendc_sim::Mask(mask),       \
                                      repeatTimes, repeatParams, ascendc_sim::WithScalar<ascendc_sim::lane>(scalarValue)); \
    }

ASCENDC_SIM_BINARY(Add, kArithmetic, kTwoSources)
ASCENDC_SIM_BINARY(Sub, kArithmetic, kTwoSources)
ASCENDC_SIM_BINARY(Mul, kArithmetic, kTwoSources)
ASCENDC_SIM_BINARY(Div, kFloating, kDivide)
ASCENDC_SIM_BINARY(Max, kArithmetic, kTwoSources)
ASCENDC_SIM_BINARY(Min, kArithmetic, kTwoSources)
ASCENDC_SIM_BINARY(And, kBits, kTwoSources)
ASCENDC_SIM_BINARY(Or, kBits, kTwoSources)

ASCENDC_SIM_UNARY(Abs, kFloating, kOneSource)
ASCENDC_SIM_UNARY(Exp, kFloating, kTranscendental)
ASCENDC_SIM_UNARY(Ln, kFloating, kTranscendental)
ASCENDC_SIM_UNARY(Sqrt, kFloating, kSquareRoot)
ASCENDC_SIM_UNARY(Rsqrt, kFloating, kReciprocal)
ASCENDC_SIM_UNARY(Reciprocal, kFloating, kReciprocal)
ASCENDC_SIM_UNARY(Relu, kRectifiable, kOneSource)
ASCENDC_SIM_UNARY(Not, kBits, kOneSource)

ASCENDC_SIM_SCALAR(Adds, AddLane, kScalable)
ASCENDC_SIM_SCALAR(Muls, MulLane, kScalable)
ASCENDC_SIM_SCALAR(Maxs, MaxLane, kScalable910B)
ASCENDC_SIM_SCALAR(Mins, MinLane, kScalable910B)

#undef ASCENDC_SIM_BINARY
#undef ASCENDC_SIM_UNARY
#undef ASCENDC_SIM_SCALAR

template <typename T, typename U>
void Axpy(const LocalTensor<T>& dstLocal, const LocalTensor<U>& srcLocal, const U& scalarValue, const int32_t& calCount) {
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::V, "Axpy");
    const Lanes lanes = CountedLanes(calCount, int(std::max(sizeof(T), sizeof(U))), entry);
    RecordAxpy<T, U>(std::move(entry), lanes, ContiguousOperand(dstLocal, lanes), ContiguousOperand(srcLocal, lanes),
                     scalarValue);
}
template <typename T, typename U, bool isSetMask = true>
void Axpy(const LocalTensor<T>& dstLocal, const LocalTensor<U>& srcLocal, const U& scalarValue, uint64_t mask,
          const uint8_t repeatTimes, const UnaryRepeatParams& repeatParams) {
    ascendc_sim::Axpy<isSetMask>(dstLocal, srcLocal, scalarValue, ascendc_sim::Mask(mask), repeatTimes, repeatParams);
}
template <typename T, typename U, bool isSetMask = true>
void Axpy(const LocalTensor<T>& dstLocal, const LocalTensor<U>& srcLocal, const U& scalarValue, uint64_t mask[],
          const uint8_t repeatTimes, const UnaryRepeatParams& repeatParams) {
    ascendc_sim::Axpy<isSetMask>(dstLocal, srcLocal, scalarValue, ascendc_sim::Mask(mask), repeatTimes, repeatParams);
}

}  // namespace AscendC
