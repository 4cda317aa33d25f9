// Which core runs, where its workspace is, and flags between cores.
#pragma once
#include "pipe.h"

namespace ascendc_sim {

inline void RecordCrossFlag(EntryKind kind, Pipe pipe, int mode, uint16_t id) {
    Entry entry = MakeEntry(pipe, kind == EntryKind::CrossSet ? "CrossCoreSetFlag" : "CrossCoreWaitFlag");
    entry.kind = kind;
    entry.id = id;
    entry.mode = mode;
    g_core->Record(std::move(entry));
}

inline bool UserFlag(uint16_t id, const char* call) {
    if (id <= 10) return true;
    g_core->Report("flag_id", Format("%s(%u): flags between cores have the ids 0 to 10, the others are the library's", call, id));
    return false;
}

constexpr int kAllOfAKind = 0, kCubeAndVector = 2;          // modes of flags between cores
constexpr uint16_t kCubesFlag = 11, kToCubeFlag = 12, kToVectorFlag = 13, kVectorsFlag = 14;

inline void MeetAll(Pipe pipe, uint16_t flag) {
    RecordCrossFlag(EntryKind::CrossSet, pipe, kAllOfAKind, flag);
    RecordCrossFlag(EntryKind::CrossWait, Pipe::S, kAllOfAKind, flag);
}

// All cores meet: vector cores report to their Cube core, Cube cores meet each other and send the vector cores on.
inline void MeetCubesAndVectors() {
    if (g_core->type == CoreType::Vector) {
        RecordCrossFlag(EntryKind::CrossSet, Pipe::MTE3, kCubeAndVector, kToCubeFlag);
        RecordCrossFlag(EntryKind::CrossWait, Pipe::S, kCubeAndVector, kToVectorFlag);
    } else {
        RecordCrossFlag(EntryKind::CrossWait, Pipe::S, kCubeAndVector, kToCubeFlag);
        MeetAll(Pipe::FIX, kCubesFlag);
        RecordCrossFlag(EntryKind::CrossSet, Pipe::FIX, kCubeAndVector, kToVectorFlag);
    }
}

}  // namespace ascendc_sim

namespace AscendC {

// Vector cores per Cube core of a block.
inline int64_t GetTaskRation() {
    const bool mixed = ascendc_sim::g_core->machine.options.block_kind == ascendc_sim::BlockKind::Mixed;
    return ascendc_sim::kChip.split && mixed ? 2 : 1;
}
inline int64_t GetSubBlockIdx() { return ascendc_sim::g_core->sub_block; }
inline int64_t GetBlockNum() { return ascendc_sim::g_core->machine.options.num_blocks; }
// On a vector core of the 910B it counts vector cores.
inline int64_t GetBlockIdx() {
    const bool vector = ascendc_sim::g_core->type == ascendc_sim::CoreType::Vector;
    return ascendc_sim::g_core->block * (vector ? GetTaskRation() : 1) + GetSubBlockIdx();
}

inline GM_ADDR GetUserWorkspace(GM_ADDR workspace) { return workspace; }

template <uint8_t modeId, pipe_t pipe>
void CrossCoreSetFlag(uint16_t flagId) {
    static_assert(modeId <= 2 && ascendc_sim::PipeOf(pipe) != ascendc_sim::Pipe::S, "CrossCoreSetFlag: modes 0 to 2, not PIPE_S");
    static_assert(!ascendc_sim::kIs910A || modeId > 2, "the 910A has one kind of core and no flags between cores");
    if (!ascendc_sim::UserFlag(flagId, "CrossCoreSetFlag")) return;
    ascendc_sim::RecordCrossFlag(ascendc_sim::EntryKind::CrossSet, ascendc_sim::PipeOf(pipe), modeId, flagId);
}

// Holds back the scalar unit, and so every later instruction.
template <uint8_t modeId = 0, pipe_t pipe = PIPE_S>
void CrossCoreWaitFlag(uint16_t flagId) {
    static_assert(!ascendc_sim::kIs910A || modeId > 2, "the 910A has one kind of core and no flags between cores");
    if (!ascendc_sim::UserFlag(flagId, "CrossCoreWaitFlag")) return;
    ascendc_sim::RecordCrossFlag(ascendc_sim::EntryKind::CrossWait, ascendc_sim::Pipe::S, modeId, flagId);
}

// All vector cores wait for each other, or all cores.
template <bool isAIVOnly = true>
void SyncAll() {
    static_assert(ascendc_sim::kOn910B<std::bool_constant<isAIVOnly>>, "the 910A has only SyncAll(gmWorkspace, ubWorkspace)");
    if (isAIVOnly && ascendc_sim::g_core->type == ascendc_sim::CoreType::Cube) return;
    PipeBarrier<PIPE_ALL>();
    if constexpr (isAIVOnly) {
        ascendc_sim::MeetAll(ascendc_sim::Pipe::MTE3, ascendc_sim::kVectorsFlag);
    } else {
        ascendc_sim::MeetCubesAndVectors();
    }
}

// The form with flags in GM; the model needs neither workspace, the hardware needs both, zeroed.
template <bool isAIVOnly = true>
void SyncAll(const GlobalTensor<int32_t>&, const LocalTensor<int32_t>&, const int32_t usedCores = 0) {
    if (usedCores != 0 && usedCores != GetBlockNum()) {
        ascendc_sim::g_core->Report("bad_parameter", "SyncAll: only all cores are modelled");
    }
    if (ascendc_sim::g_core->type == ascendc_sim::CoreType::Cube) return;
    PipeBarrier<PIPE_ALL>();
    ascendc_sim::MeetAll(ascendc_sim::Pipe::MTE3, ascendc_sim::kVectorsFlag);
}

}  // namespace AscendC

inline GM_ADDR GetSysWorkSpacePtr() {
    for (const ascendc_sim::Extent& extent : ascendc_sim::g_core->machine.extents) {
        if (extent.name == "workspace") return ascendc_sim::g_core->machine.gm.At(extent.start);
    }
    return nullptr;
}
