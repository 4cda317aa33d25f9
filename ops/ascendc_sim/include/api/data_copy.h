// DataCopy between GM and the core's memories, and inside them: blocks of 32 bytes with gaps.
#pragma once
#include "engine/cycles.h"
#include "numbers.h"
#include "pipe.h"

namespace ascendc_sim {

// One end of a strided copy: `count` pieces of `piece` bytes, `step` bytes from start to start.
struct Strided {
    Range first;      // of the whole memory that the copy may touch: scope and start matter
    uint64_t piece;
    uint64_t step;
    uint64_t count;

    std::vector<Range> Pieces() const {
        if (step == piece || count == 1) return {{first.scope, first.start, piece * count}};
        std::vector<Range> pieces;
        for (uint64_t i = 0; i < count; ++i) pieces.push_back({first.scope, first.start + i * step, piece});
        return pieces;
    }
    uint64_t Extent() const { return count == 0 ? 0 : (count - 1) * step + piece; }
};

inline bool PathExists(Scope from, Scope to, Pipe& pipe) {
    pipe = Pipe::MTE2;
    if (from == Scope::GM) return to == Scope::UB || to == Scope::L1;
    pipe = Pipe::MTE3;
    if (from == Scope::UB && to == Scope::GM) return true;
    if (from == Scope::UB && to == Scope::L1) return kIs910A;
    pipe = Pipe::MTE1;
    if (from == Scope::L1 && to == Scope::UB) return kIs910A;
    pipe = Pipe::V;
    return from == Scope::UB && to == Scope::UB;
}

inline void AddToMemory(uint8_t* to, const uint8_t* from, uint64_t bytes, int element) {
    for (uint64_t i = 0; i < bytes; i += uint64_t(element)) {
        if (element == 4) {
            float sum, term;
            std::memcpy(&sum, to + i, 4), std::memcpy(&term, from + i, 4);
            sum += term;
            std::memcpy(to + i, &sum, 4);
        } else {
            half sum, term;
            std::memcpy(&sum, to + i, 2), std::memcpy(&term, from + i, 2);
            sum = ToHalf(float(sum) + float(term));
            std::memcpy(to + i, &sum, 2);
        }
    }
}

inline void SetCopyTime(Entry& entry, Scope from, Scope to, double bytes) {
    entry.cycles = CopyCycles(from, to, bytes);
    entry.latency = CopyLatency(from, to);
}

// Records a copy of pieces of equal size. The caller has filled in the entry's name and pipe.
inline void RecordCopy(Entry entry, const Strided& to, const Strided& from, bool atomic = false, int element = 1) {
    entry.reads = from.Pieces();
    entry.writes = to.Pieces();
    entry.atomic = atomic;
    if (atomic) entry.reads.insert(entry.reads.end(), entry.writes.begin(), entry.writes.end());
    SetCopyTime(entry, from.first.scope, to.first.scope, double(from.piece * from.count));
    entry.effect = [core = g_core, to, from, atomic, element] {
        for (uint64_t i = 0; i < to.count; ++i) {
            uint8_t* target = core->At(to.first.scope, to.first.start + i * to.step);
            const uint8_t* source = core->At(from.first.scope, from.first.start + i * from.step);
            if (atomic) {
                AddToMemory(target, source, to.piece, element);
            } else {
                std::memmove(target, source, to.piece);
            }
        }
    };
    g_core->Record(std::move(entry));
}

inline bool BlocksValid(const AscendC::DataCopyParams& params, Entry& entry) {
    if (params.blockCount >= 1 && params.blockCount <= 4095 && params.blockLen >= 1) return true;
    g_core->Report("bad_parameter", Describe(entry) + Format(": blockCount is %u (1 to 4095), blockLen %u (1 to 65535)",
                                                             params.blockCount, params.blockLen));
    entry.rejected = true;
    return false;
}

inline AscendC::DataCopyParams ContiguousBlocks(uint64_t bytes, const Entry& entry) {
    if (bytes % kBlockBytes != 0 || bytes == 0) {
        g_core->Report("bad_parameter", Describe(entry) + Format(": %llu bytes are not a multiple of 32",
                                                                 (unsigned long long)bytes));
    }
    return {1, uint16_t(bytes / kBlockBytes), 0, 0};
}

inline Strided LocalBlocks(const View& view, uint64_t piece, uint64_t gap, uint64_t count, Entry& entry) {
    RequireAlive(view, entry);
    Strided end = {{view.scope, view.start, 0}, piece, piece + gap, count};
    Bytes(view, 0, end.Extent(), entry);
    RequireAligned(view.start, kBlockBytes, "the tensor", entry);
    return end;
}

// An end of a copy in blocks of 32 bytes, with its own gap.
inline Strided LocalBlocks(const View& view, const AscendC::DataCopyParams& params, uint32_t gap, Entry& entry) {
    return LocalBlocks(view, params.blockLen * kBlockBytes, gap * kBlockBytes, params.blockCount, entry);
}

template <typename T>
Strided GlobalBlocks(const AscendC::GlobalTensor<T>& tensor, uint64_t piece, uint64_t gap, uint64_t count) {
    return {tensor.Range(0, 0), piece, piece + gap, count};
}

template <typename T>
Strided GlobalBlocks(const AscendC::GlobalTensor<T>& tensor, const AscendC::DataCopyParams& params, uint32_t gap) {
    return GlobalBlocks(tensor, params.blockLen * kBlockBytes, gap * kBlockBytes, params.blockCount);
}

inline Entry CopyEntry(Scope from, Scope to) {
    Pipe pipe;
    const bool exists = PathExists(from, to, pipe);
    Entry entry = MakeEntry(pipe, "DataCopy");
    if (!exists && from != Scope::None && to != Scope::None) {
        g_core->Report("no_such_path", Describe(entry) + Format(": the %s has no path from %s to %s for it", kChip.name,
                                                                kScopeNames[int(from)], kScopeNames[int(to)]));
        entry.rejected = true;
    }
    return entry;
}

}  // namespace ascendc_sim

namespace AscendC {

template <typename T>
void DataCopy(const LocalTensor<T>& dstLocal, const GlobalTensor<T>& srcGlobal, const DataCopyParams& repeatParams) {
    using namespace ascendc_sim;
    Entry entry = CopyEntry(Scope::GM, dstLocal.View().scope);
    if (!BlocksValid(repeatParams, entry)) return;
    const Strided to = LocalBlocks(dstLocal.View(), repeatParams, repeatParams.dstStride, entry);
    const Strided from = GlobalBlocks(srcGlobal, repeatParams, repeatParams.srcStride);
    RecordCopy(std::move(entry), to, from);
}

template <typename T>
void DataCopy(const GlobalTensor<T>& dstGlobal, const LocalTensor<T>& srcLocal, const DataCopyParams& repeatParams) {
    using namespace ascendc_sim;
    Entry entry = CopyEntry(srcLocal.View().scope, Scope::GM);
    if (!BlocksValid(repeatParams, entry)) return;
    const Strided from = LocalBlocks(srcLocal.View(), repeatParams, repeatParams.srcStride, entry);
    const Strided to = GlobalBlocks(dstGlobal, repeatParams, repeatParams.dstStride);
    RecordCopy(std::move(entry), to, from, g_core->atomic_add, int(sizeof(T)));
}

template <typename T>
void DataCopy(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const DataCopyParams& repeatParams) {
    using namespace ascendc_sim;
    Entry entry = CopyEntry(srcLocal.View().scope, dstLocal.View().scope);
    if (!BlocksValid(repeatParams, entry)) return;
    const Strided to = LocalBlocks(dstLocal.View(), repeatParams, repeatParams.dstStride, entry);
    const Strided from = LocalBlocks(srcLocal.View(), repeatParams, repeatParams.srcStride, entry);
    RecordCopy(std::move(entry), to, from);
}

template <typename T>
void DataCopy(const LocalTensor<T>& dstLocal, const GlobalTensor<T>& srcGlobal, const uint32_t calCount) {
    using namespace ascendc_sim;
    const Entry entry = MakeEntry(Pipe::MTE2, "DataCopy");
    DataCopy(dstLocal, srcGlobal, ContiguousBlocks(uint64_t(calCount) * sizeof(T), entry));
}

template <typename T>
void DataCopy(const GlobalTensor<T>& dstGlobal, const LocalTensor<T>& srcLocal, const uint32_t calCount) {
    using namespace ascendc_sim;
    const Entry entry = MakeEntry(Pipe::MTE3, "DataCopy");
    DataCopy(dstGlobal, srcLocal, ContiguousBlocks(uint64_t(calCount) * sizeof(T), entry));
}

template <typename T>
void DataCopy(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const uint32_t calCount) {
    using namespace ascendc_sim;
    const Entry entry = MakeEntry(Pipe::V, "DataCopy");
    DataCopy(dstLocal, srcLocal, ContiguousBlocks(uint64_t(calCount) * sizeof(T), entry));
}

template <typename T>
void SetAtomicAdd() {
    static_assert(std::is_same_v<T, float> || (ascendc_sim::kOn910B<T> && std::is_same_v<T, half>),
                  "SetAtomicAdd: float, and on the 910B half");
    ascendc_sim::g_core->atomic_add = true;
}

inline void SetAtomicNone() { ascendc_sim::g_core->atomic_add = false; }

}  // namespace AscendC
