// How results leave L0C: through UB on the 910A (a vector operation), through Fixpipe to GM or L1 on the 910B.
#pragma once
#include "cube.h"

namespace ascendc_sim {

// L0C fractals are 16 x 16 elements: 1024 bytes of float.
template <typename T>
constexpr uint32_t kAccumulatorFractal = kFractal* kFractal * sizeof(T);

template <typename Dst, typename Src>
void CopyConverted(uint8_t* to, const uint8_t* from, uint64_t elements, bool relu) {
    for (uint64_t i = 0; i < elements; ++i) {
        Src value;
        std::memcpy(&value, from + i * sizeof(Src), sizeof(Src));
        const float result = relu ? std::max(float(value), 0.0f) : float(value);
        const Dst stored = Narrow<Dst>(result);
        std::memcpy(to + i * sizeof(Dst), &stored, sizeof(Dst));
    }
}

// DataCopy between L0C and UB in whole fractals; gaps in L0C count fractals, gaps in UB 32 bytes.
template <typename Dst, typename Src>
void RecordMatrixCopy(const View& dst, const View& src, const AscendC::DataCopyParams& params, bool relu) {
    Entry entry = MakeEntry(Pipe::V, "DataCopy");
    if (!BlocksValid(params, entry)) return;
    RequireAlive(dst, entry), RequireAlive(src, entry);
    const bool from_cube = src.scope == Scope::L0C;
    RequireScope(src, {Scope::L0C, Scope::UB}, "the source", entry);
    RequireScope(dst, {from_cube ? Scope::UB : Scope::L0C}, "the destination", entry);
    RequireAligned(from_cube ? src.start : dst.start, 2 * kFractalBytes, "the tensor in L0C", entry);
    RequireAligned(from_cube ? dst.start : src.start, kBlockBytes, "the tensor in UB", entry);
    const uint64_t elements = uint64_t(params.blockLen) * kFractal * kFractal;
    const uint64_t src_gap = params.srcStride * uint64_t(from_cube ? kAccumulatorFractal<Src> : kBlockBytes);
    const uint64_t dst_gap = params.dstStride * uint64_t(from_cube ? kBlockBytes : kAccumulatorFractal<Dst>);
    const Strided from = {{src.scope, src.start, 0}, elements * sizeof(Src), elements * sizeof(Src) + src_gap, params.blockCount};
    const Strided to = {{dst.scope, dst.start, 0}, elements * sizeof(Dst), elements * sizeof(Dst) + dst_gap, params.blockCount};
    Bytes(src, 0, from.Extent(), entry), Bytes(dst, 0, to.Extent(), entry);
    entry.reads = from.Pieces();
    entry.writes = to.Pieces();
    SetCopyTime(entry, src.scope, dst.scope, double(from.piece * from.count));
    entry.effect = [core = g_core, from, to, elements, relu] {
        for (uint64_t i = 0; i < to.count; ++i) {
            CopyConverted<Dst, Src>(core->At(to.first.scope, to.first.start + i * to.step),
                                    core->At(from.first.scope, from.first.start + i * from.step), elements, relu);
        }
    };
    g_core->Record(std::move(entry));
}

// Where Fixpipe puts element (row, column) of a matrix, in bytes.
template <typename Dst>
struct FixpipeTarget {
    bool row_major;
    uint64_t stride;         // elements per row, or units of 32 bytes between column blocks
    uint64_t matrix_stride;  // elements
    uint64_t Offset(uint64_t matrix, uint64_t row, uint64_t column) const {
        if (row_major) return (matrix * matrix_stride + row * stride + column) * sizeof(Dst);
        return column / kFractal * stride * kBlockBytes + (row * kFractal + column % kFractal) * sizeof(Dst);
    }
};

template <typename Dst>
bool FixpipeValid(const AscendC::FixpipeParamsV220& params, bool row_major, const Entry& entry) {
    constexpr QuantMode_t kMode = std::is_same_v<Dst, float> ? NoQuant : std::is_same_v<Dst, half> ? F322F16 : F322BF16;
    const bool whole_blocks = row_major || params.nSize % kFractal == 0;
    if (params.quantPre == kMode && params.nSize && params.mSize && params.dstStride && !params.isChannelSplit && whole_blocks) {
        return true;
    }
    g_core->Report("bad_parameter", Describe(entry) + Format(": nSize %u, mSize %u, dstStride %u, quantPre %d (wants %d)",
                                                             params.nSize, params.mSize, params.dstStride, params.quantPre,
                                                             kMode));
    return false;
}

// One row of one column block on its way out.
struct FixpipePiece {
    uint64_t from, to, elements;
};

template <typename Dst>
std::vector<FixpipePiece> FixpipePieces(const AscendC::FixpipeParamsV220& params, bool row_major) {
    const FixpipeTarget<Dst> target = {row_major, params.dstStride, params.dstNdStride};
    std::vector<FixpipePiece> pieces;
    for (uint64_t matrix = 0; matrix < (row_major ? params.ndNum : 1); ++matrix) {
        for (uint64_t row = 0; row < params.mSize; ++row) {
            for (uint64_t column = 0; column < params.nSize; column += kFractal) {
                const uint64_t from = matrix * params.srcNdStride * 1024 +
                                      (column / kFractal * params.srcStride + row) * kFractal * sizeof(float);
                pieces.push_back({from, target.Offset(matrix, row, column), std::min<uint64_t>(kFractal, params.nSize - column)});
            }
        }
    }
    return pieces;
}

template <typename Dst>
void RecordFixpipe(Entry entry, const Range& dst, const View& src, const AscendC::FixpipeParamsV220& params, bool row_major) {
    RequireAlive(src, entry);
    RequireScope(src, {Scope::L0C}, "the source", entry);
    RequireAligned(src.start, 64, "the source", entry);
    if (!FixpipeValid<Dst>(params, row_major, entry)) return;
    const std::vector<FixpipePiece> pieces = FixpipePieces<Dst>(params, row_major);
    uint64_t elements = 0;
    for (const FixpipePiece& piece : pieces) {
        Append(entry.reads, Bytes(src, piece.from, piece.elements * sizeof(float), entry));
        Append(entry.writes, {dst.scope, dst.start + piece.to, piece.elements * sizeof(Dst)});
        elements += piece.elements;
    }
    SetCopyTime(entry, Scope::L0C, dst.scope, double(elements * sizeof(Dst)));
    entry.effect = [core = g_core, pieces, src, dst, relu = params.reluEn] {
        for (const FixpipePiece& piece : pieces) {
            CopyConverted<Dst, float>(core->At(dst.scope, dst.start + piece.to), core->At(src.scope, src.start + piece.from),
                                      piece.elements, relu);
        }
    };
    g_core->Record(std::move(entry));
}

}  // namespace ascendc_sim

namespace AscendC {

template <typename T>
void DataCopy(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const DataCopyParams& intriParams,
              const DataCopyEnhancedParams& enhancedParams) {
    DataCopy<T, T>(dstLocal, srcLocal, intriParams, enhancedParams);
}

template <typename T, typename U>
void DataCopy(const LocalTensor<T>& dstLocal, const LocalTensor<U>& srcLocal, const DataCopyParams& intriParams,
              const DataCopyEnhancedParams& enhancedParams) {
    static_assert(!ascendc_sim::kOn910B<T>, "the 910B has no path between L0C and UB; use Fixpipe to GM");
    static_assert((std::is_same_v<U, float> && ascendc_sim::kIsAnyOf<T, float, half>) ||
                      (std::is_same_v<U, half> && ascendc_sim::kIsAnyOf<T, float, half>),
                  "DataCopy between L0C and UB: float and half");
    if (enhancedParams.blockMode != BlockMode::BLOCK_MODE_MATRIX || enhancedParams.deqScale != DeqScale::DEQ_NONE) {
        ascendc_sim::g_core->Report("bad_parameter", "DataCopy between L0C and UB: only BLOCK_MODE_MATRIX without DeqScale is "
                                                     "modelled");
        return;
    }
    ascendc_sim::RecordMatrixCopy<T, U>(dstLocal.View(), srcLocal.View(), intriParams, enhancedParams.isRelu);
}

template <typename DstT, typename SrcT, const FixpipeConfig& config = CFG_ROW_MAJOR>
void Fixpipe(const GlobalTensor<DstT>& dstGlobal, const LocalTensor<SrcT>& srcLocal, const FixpipeParamsV220& intriParams) {
    static_assert(ascendc_sim::kOn910B<DstT>, "the 910A has no Fixpipe; use DataCopy from L0C to UB");
    static_assert(std::is_same_v<SrcT, float> && ascendc_sim::kIsAnyOf<DstT, float, half, bfloat16_t>,
                  "Fixpipe: float in L0C to float, half or bfloat16_t");
    ascendc_sim::Entry entry = ascendc_sim::MakeEntry(ascendc_sim::Pipe::FIX, "Fixpipe");
    ascendc_sim::RecordFixpipe<DstT>(std::move(entry), dstGlobal.Range(0, 0), srcLocal.View(), intriParams,
                                     config.format == CO2Layout::ROW_MAJOR);
}

template <typename DstT, typename SrcT, const FixpipeConfig& config = CFG_ROW_MAJOR>
void Fixpipe(const LocalTensor<DstT>& dstLocal, const LocalTensor<SrcT>& srcLocal, const FixpipeParamsV220& intriParams) {
    static_assert(ascendc_sim::kOn910B<DstT>, "the 910A has no Fixpipe; use DataCopy from L0C to UB");
    static_assert(std::is_same_v<SrcT, float> && ascendc_sim::kIsAnyOf<DstT, half, bfloat16_t>,
                  "Fixpipe to L1: float in L0C to half or bfloat16_t");
    static_assert(config.format == CO2Layout::NZ, "Fixpipe to L1 keeps the NZ layout: pass CFG_NZ");
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::FIX, "Fixpipe");
    RequireAlive(dstLocal.View(), entry);
    RequireScope(dstLocal.View(), {Scope::L1}, "the destination", entry);
    RequireAligned(dstLocal.View().start, kBlockBytes, "the destination", entry);
    const uint64_t blocks = (intriParams.nSize + kFractal - 1) / kFractal;
    const uint64_t extent = (blocks - 1) * intriParams.dstStride * kBlockBytes + intriParams.mSize * kBlockBytes;
    const Range dst = Bytes(dstLocal.View(), 0, extent, entry);
    RecordFixpipe<DstT>(std::move(entry), dst, srcLocal.View(), intriParams, false);
}

}  // namespace AscendC
