// Sums over repeats, blocks and whole tensors, added as a binary tree that rounds to the element type at every node.
#pragma once
#include "vector_elementwise.h"

namespace ascendc_sim {

// Neighbours first: ((v0 + v1) + (v2 + v3)) + ...
template <typename T>
T TreeSum(std::vector<T> values) {
    while (values.size() > 1) {
        if (values.size() % 2 != 0) values.push_back(T(0));
        for (size_t i = 0; i < values.size() / 2; ++i) values[i] = AddLane()(values[2 * i], values[2 * i + 1]);
        values.resize(values.size() / 2);
    }
    return values[0];
}

// Lanes that do not take part count as zeros.
template <typename T>
T SumOfLanes(const Reader<T>& source, const Lanes& lanes, int repeat, int first, int count) {
    std::vector<T> values;
    for (int lane = first; lane < first + count; ++lane) {
        values.push_back(lanes.Active(repeat, lane) ? source(repeat, lane) : T(0));
    }
    return TreeSum(values);
}

template <typename T>
void CheckReduceType(const char* name) {
    static_assert(kFloating<T>, "sums: half or float");
    if (kIs910A && std::is_same_v<T, float>) {
        g_core->Warn("fp32_reduce", std::string(name) + " of float: the 910A's documentation lists half only, its configuration "
                                                        "file lists float too");
    }
}

// Sums groups of `group` lanes; group i of repeat r goes to dst[r * step + i], in elements.
template <typename T>
void RecordSums(Entry entry, const Lanes& lanes, VectorCost cost, const AscendC::LocalTensor<T>& dst, const Operand& src,
                int group, int64_t step, uint32_t alignment) {
    CheckReduceType<T>(entry.name);
    const int groups = lanes.per_repeat / group;
    RequireVectorTensor({dst.View(), int(sizeof(T))}, "the destination", alignment, entry);
    RequireVectorTensor(src, "the source", kBlockBytes, entry);
    if (entry.rejected) return;
    entry.reads = OperandRanges(src, lanes, entry);
    for (int repeat = 0; repeat < lanes.repeats; ++repeat) {
        Append(entry.writes, Bytes(dst.View(), uint64_t(repeat * step) * sizeof(T), uint64_t(groups) * sizeof(T), entry));
    }
    if (entry.rejected) return;
    entry.cycles = VectorCycles(cost, lanes.repeats, lanes.by_count);
    entry.effect = [=, source = Reader<T>(src), to = dst.View().Data()] {
        for (int repeat = 0; repeat < lanes.repeats; ++repeat) {
            for (int i = 0; i < groups; ++i) {
                const T sum = SumOfLanes(source, lanes, repeat, i * group, group);
                std::memcpy(to + uint64_t(repeat * step + i) * sizeof(T), &sum, sizeof(T));
            }
        }
    };
    g_core->Record(std::move(entry));
}

template <typename T>
void WholeSums(const AscendC::LocalTensor<T>& dst, const AscendC::LocalTensor<T>& src, const MaskArgument& mask, bool is_set_mask,
               int32_t repeats, int32_t dst_step, int32_t src_block, int32_t src_repeat) {
    Entry entry = MakeEntry(Pipe::V, "WholeReduceSum");
    const Lanes lanes = LanesOf(mask, is_set_mask, repeats, sizeof(T), entry);
    RecordSums(std::move(entry), lanes, kWholeReduce, dst, StridedOperand(src, src_block, src_repeat), lanes.per_repeat, dst_step,
               sizeof(T));
}

template <typename T>
void BlockSums(const AscendC::LocalTensor<T>& dst, const AscendC::LocalTensor<T>& src, const MaskArgument& mask, bool is_set_mask,
               int32_t repeats, int32_t dst_step, int32_t src_block, int32_t src_repeat) {
    Entry entry = MakeEntry(Pipe::V, "BlockReduceSum");
    const Lanes lanes = LanesOf(mask, is_set_mask, repeats, sizeof(T), entry);
    RecordSums(std::move(entry), lanes, kBlockReduce, dst, StridedOperand(src, src_block, src_repeat),
               int(kBlockBytes / sizeof(T)), int64_t(dst_step) * 8, 8 * sizeof(T));
}

}  // namespace ascendc_sim

namespace AscendC {

// dstRepStride counts elements.
template <typename T, bool isSetMask = true>
void WholeReduceSum(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const int32_t mask, const int32_t repeatTimes,
                    const int32_t dstRepStride, const int32_t srcBlkStride, const int32_t srcRepStride) {
    ascendc_sim::WholeSums(dstLocal, srcLocal, ascendc_sim::Mask(uint64_t(mask)), isSetMask, repeatTimes, dstRepStride,
                           srcBlkStride, srcRepStride);
}
template <typename T, bool isSetMask = true>
void WholeReduceSum(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const uint64_t mask[],
                    const int32_t repeatTimes, const int32_t dstRepStride, const int32_t srcBlkStride,
                    const int32_t srcRepStride) {
    ascendc_sim::WholeSums(dstLocal, srcLocal, ascendc_sim::Mask(mask), isSetMask, repeatTimes, dstRepStride, srcBlkStride,
                           srcRepStride);
}

// One sum per block of 32 bytes; dstRepStride counts groups of eight sums.
template <typename T, bool isSetMask = true>
void BlockReduceSum(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const int32_t repeat, const int32_t mask,
                    const int32_t dstRepStride, const int32_t srcBlkStride, const int32_t srcRepStride) {
    ascendc_sim::BlockSums(dstLocal, srcLocal, ascendc_sim::Mask(uint64_t(mask)), isSetMask, repeat, dstRepStride, srcBlkStride,
                           srcRepStride);
}
template <typename T, bool isSetMask = true>
void BlockReduceSum(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const int32_t repeat, const uint64_t mask[],
                    const int32_t dstRepStride, const int32_t srcBlkStride, const int32_t srcRepStride) {
    ascendc_sim::BlockSums(dstLocal, srcLocal, ascendc_sim::Mask(mask), isSetMask, repeat, dstRepStride, srcBlkStride,
                           srcRepStride);
}

// dst[0] is the sum of the first `count` elements; the work tensor takes one sum per repeat.
template <typename T, bool isSetMask = true>
void ReduceSum(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const LocalTensor<T>& workLocal,
               const int32_t count) {
    using namespace ascendc_sim;
    CheckReduceType<T>("ReduceSum");
    Entry entry = MakeEntry(Pipe::V, "ReduceSum");
    const Lanes lanes = CountedLanes(count, sizeof(T), entry);
    const Operand src = ContiguousOperand(srcLocal, lanes);
    RequireVectorTensor(src, "the source", kBlockBytes, entry);
    RequireVectorTensor({dstLocal.View(), int(sizeof(T))}, "the destination", sizeof(T), entry);
    RequireVectorTensor({workLocal.View(), int(sizeof(T))}, "the work tensor", kBlockBytes, entry);
    if (entry.rejected) return;
    entry.reads = OperandRanges(src, lanes, entry);
    const uint64_t work = (uint64_t(lanes.repeats) * sizeof(T) + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    entry.garbage = {Bytes(workLocal.View(), 0, work, entry)};
    entry.writes = {Bytes(dstLocal.View(), 0, sizeof(T), entry)};
    if (entry.rejected) return;
    entry.cycles = VectorCycles(kWholeReduce, lanes.repeats, lanes.by_count) +
                   VectorCycles(kWholeReduce, (lanes.repeats + lanes.per_repeat - 1) / lanes.per_repeat, lanes.by_count);
    entry.effect = [=, source = Reader<T>(src), to = dstLocal.View().Data()] {
        std::vector<T> sums;
        for (int repeat = 0; repeat < lanes.repeats; ++repeat) {
            sums.push_back(SumOfLanes(source, lanes, repeat, 0, lanes.per_repeat));
        }
        const T sum = TreeSum(sums);
        std::memcpy(to, &sum, sizeof(T));
    };
    g_core->Record(std::move(entry));
}

}  // namespace AscendC
