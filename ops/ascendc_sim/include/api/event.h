// Hardware events: which pipe sets and which waits, and which event a queue between two positions needs.
#pragma once
#include "tensor.h"

namespace ascendc_sim {

struct EventPipes {
    Pipe from, to;
};

// In the order of HardEvent.
constexpr EventPipes kEventPipes[] = {
    {Pipe::MTE2, Pipe::MTE1}, {Pipe::MTE1, Pipe::MTE2}, {Pipe::MTE1, Pipe::M},    {Pipe::M, Pipe::MTE1},
    {Pipe::MTE2, Pipe::V},    {Pipe::V, Pipe::MTE2},    {Pipe::MTE3, Pipe::V},    {Pipe::V, Pipe::MTE3},
    {Pipe::M, Pipe::V},       {Pipe::V, Pipe::M},       {Pipe::V, Pipe::V},       {Pipe::MTE3, Pipe::MTE1},
    {Pipe::MTE1, Pipe::MTE3}, {Pipe::MTE1, Pipe::V},    {Pipe::MTE2, Pipe::M},    {Pipe::M, Pipe::MTE2},
    {Pipe::V, Pipe::MTE1},    {Pipe::M, Pipe::FIX},     {Pipe::FIX, Pipe::M},     {Pipe::MTE3, Pipe::MTE2},
    {Pipe::MTE2, Pipe::MTE3}, {Pipe::S, Pipe::V},       {Pipe::V, Pipe::S},       {Pipe::S, Pipe::MTE2},
    {Pipe::MTE2, Pipe::S},    {Pipe::S, Pipe::MTE3},    {Pipe::MTE3, Pipe::S},    {Pipe::MTE2, Pipe::FIX},
    {Pipe::FIX, Pipe::MTE2},  {Pipe::FIX, Pipe::S},     {Pipe::M, Pipe::S},       {Pipe::FIX, Pipe::MTE3},
    {Pipe::MTE1, Pipe::FIX},  {Pipe::FIX, Pipe::MTE1},  {Pipe::FIX, Pipe::FIX},
};
constexpr int kNumEvents = int(AscendC::HardEvent::MAX);
static_assert(sizeof(kEventPipes) / sizeof(kEventPipes[0]) == kNumEvents);

constexpr EventPipes PipesOf(AscendC::HardEvent event) { return kEventPipes[int(event)]; }

constexpr AscendC::HardEvent EventOf(Pipe from, Pipe to) {
    for (int i = 0; i < kNumEvents; ++i) {
        if (kEventPipes[i].from == from && kEventPipes[i].to == to) return AscendC::HardEvent(i);
    }
    return AscendC::HardEvent::MAX;
}

// Who fills a queue's buffer and who uses it, by the memories at its ends.
constexpr EventPipes QueuePipes(Scope source, Scope destination) {
    if (source == Scope::GM) {
        if (destination == Scope::UB) return {Pipe::MTE2, Pipe::V};
        return destination == Scope::L1 ? EventPipes{Pipe::MTE2, Pipe::MTE1} : EventPipes{Pipe::MTE2, Pipe::M};
    }
    if (source == Scope::L1) return destination == Scope::UB ? EventPipes{Pipe::MTE1, Pipe::V} : EventPipes{Pipe::MTE1, Pipe::M};
    if (source == Scope::L0C) return kIs910A ? EventPipes{Pipe::M, Pipe::V} : EventPipes{Pipe::M, Pipe::FIX};
    if (destination == Scope::L1) return {Pipe::MTE3, Pipe::MTE1};
    return destination == Scope::UB ? EventPipes{Pipe::MTE2, Pipe::MTE3} : EventPipes{Pipe::V, Pipe::MTE3};
}

// On a Cube core the interface drops flags to and from the vector pipe, which it does not have.
constexpr bool Dropped(CoreType core, EventPipes pipes) {
    return core == CoreType::Cube && (pipes.from == Pipe::V || pipes.to == Pipe::V);
}

inline bool FlagIdValid(AscendC::HardEvent event, int id, const Entry& entry) {
    if (id >= 0 && id < kChip.event_ids && event != AscendC::HardEvent::MAX) return true;
    g_core->Report("flag_id", Describe(entry) + Format(": the %s has the ids 0 to %d", kChip.name, kChip.event_ids - 1));
    return false;
}

inline void RecordFlag(EntryKind kind, AscendC::HardEvent event, int id) {
    const EventPipes pipes = PipesOf(event);
    if (Dropped(g_core->type, pipes)) return;
    const bool set = kind == EntryKind::SetFlag;
    Entry entry = MakeEntry(set ? pipes.from : pipes.to, set ? "SetFlag" : "WaitFlag");
    entry.kind = kind;
    entry.other_pipe = set ? pipes.to : pipes.from;
    entry.id = id;
    if (!FlagIdValid(event, id, entry)) return;
    int& outstanding = g_core->outstanding_flags[FlagKey(pipes.from, pipes.to, id)];
    if (set && outstanding > 0) g_core->Report("flag_set_twice", Describe(entry) + ": set again before it was waited for");
    if (!set && outstanding == 0) {
        g_core->Report("wait_without_set", Describe(entry) + ": nothing has set it");
        return;
    }
    outstanding += set ? 1 : -1;
    g_core->Record(std::move(entry));
}

inline void RecordBarrier(pipe_t pipe) {
    Entry entry = MakeEntry(pipe == PIPE_ALL ? Pipe::S : PipeOf(pipe), "PipeBarrier");
    entry.kind = pipe == PIPE_ALL ? EntryKind::BarrierAll : EntryKind::PipeBarrier;
    if (pipe != PIPE_S) g_core->Record(std::move(entry));
}

}  // namespace ascendc_sim

namespace AscendC {

template <HardEvent event>
void SetFlag(int32_t eventID) {
    if constexpr (event == HardEvent::V_V) {
        ascendc_sim::RecordBarrier(PIPE_V);
    } else if constexpr (event == HardEvent::FIX_FIX) {
        ascendc_sim::RecordBarrier(PIPE_FIX);
    } else {
        ascendc_sim::RecordFlag(ascendc_sim::EntryKind::SetFlag, event, eventID);
    }
}

template <HardEvent event>
void WaitFlag(int32_t eventID) {
    if constexpr (event != HardEvent::V_V && event != HardEvent::FIX_FIX) {
        ascendc_sim::RecordFlag(ascendc_sim::EntryKind::WaitFlag, event, eventID);
    }
}

template <pipe_t pipe>
void PipeBarrier() {
    ascendc_sim::RecordBarrier(pipe);
}

}  // namespace AscendC
