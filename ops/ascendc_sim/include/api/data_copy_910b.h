// Copies that only the 910B has: DataCopyPad for any number of bytes, and DataCopy with a change of layout from ND to NZ.
#pragma once
#include "data_copy.h"

namespace ascendc_sim {

// A copy with one source piece per destination piece and a fill for the bytes around it.
struct PaddedCopy {
    Strided to, from;
    uint64_t left, right;             // bytes of padding
    std::vector<uint8_t> fill;        // one element
};

inline void RecordPaddedLoad(Entry entry, const PaddedCopy& copy) {
    entry.reads = copy.from.Pieces();
    entry.writes = copy.to.Pieces();
    SetCopyTime(entry, copy.from.first.scope, copy.to.first.scope, double(copy.from.piece * copy.from.count));
    entry.effect = [core = g_core, copy] {
        for (uint64_t i = 0; i < copy.to.count; ++i) {
            uint8_t* target = core->At(copy.to.first.scope, copy.to.first.start + i * copy.to.step);
            for (uint64_t j = 0; j < copy.to.piece; ++j) target[j] = copy.fill[j % copy.fill.size()];
            std::memcpy(target + copy.left, core->At(Scope::GM, copy.from.first.start + i * copy.from.step), copy.from.piece);
        }
    };
    g_core->Record(std::move(entry));
}

// Bytes of UB that a block of GM takes: padding and a rest up to 32 bytes included.
inline uint64_t PaddedBlock(uint64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

}  // namespace ascendc_sim

namespace AscendC {

// Each block is followed by padding up to 32 bytes: with isPad the given value, otherwise undefined bytes.
template <typename T>
void DataCopyPad(const LocalTensor<T>& dstLocal, const GlobalTensor<T>& srcGlobal, const DataCopyExtParams& dataCopyParams,
                 const DataCopyPadExtParams<T>& padParams) {
    static_assert(ascendc_sim::kOn910B<T>, "the 910A has no DataCopyPad: pad on the host");
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::MTE2, "DataCopyPad");
    const uint64_t left = padParams.isPad ? padParams.leftPadding * sizeof(T) : 0;
    const uint64_t right = padParams.isPad ? padParams.rightPadding * sizeof(T) : 0;
    const uint64_t count = dataCopyParams.blockCount, length = dataCopyParams.blockLen;
    const uint64_t filled = left + length + right, block = PaddedBlock(filled);
    if (length % sizeof(T) != 0 || length == 0 || left > kBlockBytes || right > kBlockBytes || count == 0) {
        g_core->Report("bad_parameter", Describe(entry) + Format(": %llu blocks of %llu bytes, padding %llu and %llu bytes",
                                                                 (unsigned long long)count, (unsigned long long)length,
                                                                 (unsigned long long)left, (unsigned long long)right));
        return;
    }
    RequireScope(dstLocal.View(), {Scope::UB}, "the destination", entry);
    const Strided whole = LocalBlocks(dstLocal.View(), block, dataCopyParams.dstStride * uint64_t(kBlockBytes), count, entry);
    const Strided to = {whole.first, filled, whole.step, count};
    const Strided from = GlobalBlocks(srcGlobal, length, dataCopyParams.srcStride, count);
    std::vector<uint8_t> fill(sizeof(T));
    std::memcpy(fill.data(), &padParams.paddingValue, sizeof(T));
    entry.garbage = whole.Pieces();
    RecordPaddedLoad(std::move(entry), {to, from, left, right, fill});
}

template <typename T>
void DataCopyPad(const LocalTensor<T>& dstLocal, const GlobalTensor<T>& srcGlobal, const DataCopyParams& dataCopyParams,
                 const DataCopyPadParams& padParams) {
    T value;
    std::memcpy(&value, &padParams.paddingValue, sizeof(T));
    DataCopyPad(dstLocal, srcGlobal,
                DataCopyExtParams(dataCopyParams.blockCount, dataCopyParams.blockLen, dataCopyParams.srcStride,
                                  dataCopyParams.dstStride, 0),
                DataCopyPadExtParams<T>(padParams.isPad, padParams.leftPadding, padParams.rightPadding, value));
}

template <typename T>
void DataCopyPad(const GlobalTensor<T>& dstGlobal, const LocalTensor<T>& srcLocal, const DataCopyExtParams& dataCopyParams) {
    static_assert(ascendc_sim::kOn910B<T>, "the 910A has no DataCopyPad: pad on the host");
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::MTE3, "DataCopyPad");
    const uint64_t count = dataCopyParams.blockCount, length = dataCopyParams.blockLen;
    RequireScope(srcLocal.View(), {Scope::UB}, "the source", entry);
    const Strided whole = LocalBlocks(srcLocal.View(), PaddedBlock(length), dataCopyParams.srcStride * uint64_t(kBlockBytes),
                                      count, entry);
    const Strided from = {whole.first, length, whole.step, count};
    RecordCopy(std::move(entry), GlobalBlocks(dstGlobal, length, dataCopyParams.dstStride, count), from, g_core->atomic_add,
               int(sizeof(T)));
}

template <typename T>
void DataCopyPad(const GlobalTensor<T>& dstGlobal, const LocalTensor<T>& srcLocal, const DataCopyParams& dataCopyParams) {
    DataCopyPad(dstGlobal, srcLocal, DataCopyExtParams(dataCopyParams.blockCount, dataCopyParams.blockLen,
                                                       dataCopyParams.srcStride, dataCopyParams.dstStride, 0));
}

// Row-major matrices in GM become column blocks of 32 bytes in L1; a last partial block is filled with zeros.
template <typename T>
void DataCopy(const LocalTensor<T>& dstLocal, const GlobalTensor<T>& srcGlobal, const Nd2NzParams& intriParams) {
    static_assert(ascendc_sim::kOn910B<T>, "the 910A has no ND to NZ copy: copy each column block with strides");
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::MTE2, "DataCopy");
    RequireAlive(dstLocal.View(), entry);
    RequireScope(dstLocal.View(), {Scope::L1}, "the destination", entry);
    RequireAligned(dstLocal.View().start, kBlockBytes, "the destination", entry);
    const uint64_t c0 = kBlockBytes / sizeof(T);
    struct Piece {
        Range to, from;
    };
    std::vector<Piece> pieces;
    for (uint64_t matrix = 0; matrix < intriParams.ndNum; ++matrix) {
        for (uint64_t column = 0; column < intriParams.dValue; column += c0) {
            for (uint64_t row = 0; row < intriParams.nValue; ++row) {
                const uint64_t to = (matrix * intriParams.dstNzMatrixStride + column / c0 * intriParams.dstNzC0Stride * c0 +
                                     row * intriParams.dstNzNStride * c0) * sizeof(T);
                const uint64_t from = matrix * intriParams.srcNdMatrixStride + row * intriParams.srcDValue + column;
                const uint64_t width = std::min<uint64_t>(c0, intriParams.dValue - column);
                pieces.push_back({Bytes(dstLocal.View(), to, kBlockBytes, entry),
                                  srcGlobal.Range(from * sizeof(T), width * sizeof(T))});
                Append(entry.writes, pieces.back().to);
                Append(entry.reads, pieces.back().from);
            }
        }
    }
    SetCopyTime(entry, Scope::GM, Scope::L1, double(pieces.size() * kBlockBytes));
    entry.effect = [core = g_core, pieces] {
        for (const Piece& piece : pieces) {
            uint8_t* target = core->At(piece.to.scope, piece.to.start);
            std::memset(target, 0, piece.to.length);
            std::memcpy(target, core->At(Scope::GM, piece.from.start), piece.from.length);
        }
    };
    g_core->Record(std::move(entry));
}

}  // namespace AscendC
