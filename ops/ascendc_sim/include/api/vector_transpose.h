// Transposes of 16 x 16 blocks of two-byte elements.
#pragma once
#include "vector_engine.h"

namespace ascendc_sim {

struct TransposeRows {
    std::vector<uint64_t> dst, src;  // offsets in UB of 16 rows of 32 bytes, per repeat
};

// Row i of the destination is column i of the source.
inline void RecordTranspose(Entry entry, const TransposeRows& rows) {
    for (uint64_t row : rows.src) Append(entry.reads, {Scope::UB, row, kBlockBytes});
    for (uint64_t row : rows.dst) Append(entry.writes, {Scope::UB, row, kBlockBytes});
    entry.cycles = VectorCycles(kTwoSources, double(rows.src.size()) / kFractal * 2, false);
    entry.effect = [core = g_core, rows] {
        for (size_t repeat = 0; repeat < rows.src.size(); repeat += kFractal) {
            uint16_t block[kFractal][kFractal];
            for (uint32_t i = 0; i < kFractal; ++i) {
                for (uint32_t j = 0; j < kFractal; ++j) {
                    std::memcpy(&block[j][i], core->At(Scope::UB, rows.src[repeat + i]) + j * 2, 2);
                }
            }
            for (uint32_t i = 0; i < kFractal; ++i) std::memcpy(core->At(Scope::UB, rows.dst[repeat + i]), block[i], kBlockBytes);
        }
    };
    g_core->Record(std::move(entry));
}

inline void AddRow(std::vector<uint64_t>& rows, const View& view, uint64_t offset, Entry& entry) {
    RequireVectorTensor({view, 2}, "a row", kBlockBytes, entry);
    rows.push_back(Bytes(view, offset, kBlockBytes, entry).start);
}

}  // namespace ascendc_sim

namespace AscendC {

template <typename T>
void Transpose(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal) {
    static_assert(sizeof(T) == 2, "Transpose: two-byte element types");
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::V, "Transpose");
    TransposeRows rows;
    for (uint32_t i = 0; i < kFractal; ++i) {
        AddRow(rows.src, srcLocal.View(), i * kBlockBytes, entry);
        AddRow(rows.dst, dstLocal.View(), i * kBlockBytes, entry);
    }
    RecordTranspose(std::move(entry), rows);
}

template <typename T>
void TransDataTo5HD(const LocalTensor<T> (&dstLocalList)[NCHW_CONV_ADDR_LIST_SIZE],
                    const LocalTensor<T> (&srcLocalList)[NCHW_CONV_ADDR_LIST_SIZE], const TransDataTo5HDParams& nchwconvParams) {
    static_assert(sizeof(T) == 2, "the simulator has TransDataTo5HD for two-byte element types");
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::V, "TransDataTo5HD");
    CheckRepeats(nchwconvParams.repeatTimes, entry);
    TransposeRows rows;
    for (uint32_t repeat = 0; repeat < nchwconvParams.repeatTimes; ++repeat) {
        for (uint32_t i = 0; i < kFractal; ++i) {
            AddRow(rows.src, srcLocalList[i].View(), repeat * uint64_t(nchwconvParams.srcRepStride) * kBlockBytes, entry);
            AddRow(rows.dst, dstLocalList[i].View(), repeat * uint64_t(nchwconvParams.dstRepStride) * kBlockBytes, entry);
        }
    }
    RecordTranspose(std::move(entry), rows);
}

}  // namespace AscendC
