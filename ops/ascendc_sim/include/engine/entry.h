// One entry of a pipe's queue: an operation on memory, or a synchronisation.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "memory.h"
#include "violations.h"

namespace ascendc_sim {

enum class EntryKind : uint8_t { Operation, SetFlag, WaitFlag, PipeBarrier, BarrierAll, CrossSet, CrossWait };

struct Entry {
    EntryKind kind = EntryKind::Operation;
    Pipe pipe = Pipe::S;
    const char* name = "";
    uint32_t number = 0;         // position in the core's program, from 1
    uint32_t gate = 0;           // how many blocking scalar entries stand before it (see Core::Record)
    std::vector<Range> reads;
    std::vector<Range> writes;
    std::vector<Range> garbage;  // touched too; what `writes` leaves out of it may not be read, e.g. the tail rows of a Mmad
    bool atomic = false;         // its writes add to memory, so they may meet other atomic writes in any order
    bool wants_barrier = false;  // a PipeBarrier has to come before it if it reads what its own pipe wrote (V always wants one)
    bool rejected = false;       // an error in its arguments was reported, so it must not run
    double cycles = 0;           // for which the pipe is busy
    double latency = 0;          // after which the result is there; the pipe goes on meanwhile
    double cube_flop = 0;
    std::function<void()> effect;

    Pipe other_pipe = Pipe::S;   // SetFlag: who waits; WaitFlag: who sets
    int id = 0;                  // flag id
    int mode = 0;                // mode of a flag between cores
};

// Neighbours become one range; the order is kept.
inline void Append(std::vector<Range>& ranges, const Range& range) {
    if (!ranges.empty() && ranges.back().scope == range.scope && ranges.back().End() == range.start) {
        ranges.back().length += range.length;
    } else {
        ranges.push_back(range);
    }
}

// The entry as an error names it.
inline std::string Describe(const Entry& entry) {
    if (entry.kind == EntryKind::SetFlag || entry.kind == EntryKind::WaitFlag) {
        const bool set = entry.kind == EntryKind::SetFlag;
        const Pipe from = set ? entry.pipe : entry.other_pipe, to = set ? entry.other_pipe : entry.pipe;
        return Format("%s<%s_%s>(%d) #%u", entry.name, kPipeNames[int(from)], kPipeNames[int(to)], entry.id, entry.number);
    }
    if (entry.kind == EntryKind::CrossSet || entry.kind == EntryKind::CrossWait) {
        return Format("%s(flag %d, mode %d) #%u", entry.name, entry.id, entry.mode, entry.number);
    }
    return Format("%s #%u (PIPE_%s)", entry.name, entry.number, kPipeNames[int(entry.pipe)]);
}

inline std::string Describe(const Range& range) {
    const char* scope = kScopeNames[int(range.scope)];
    return Format("%s[%llu, %llu)", scope, (unsigned long long)range.start, (unsigned long long)range.End());
}

}  // namespace ascendc_sim
