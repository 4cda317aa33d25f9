// Executes what the cores recorded: in program order, or in another order that the flags allow; checks and times it on the way.
#pragma once
#include <array>
#include <memory>
#include <queue>

#include "hazards.h"

namespace ascendc_sim {

enum class Policy : uint8_t { Program, Random, LateLoads, EarlyLoads };

// How far a pipe has come.
struct PipeState {
    size_t head = 0;            // next entry in the core's queue of this pipe
    uint32_t passed_gate = 0;
    uint32_t barriers = 0;
    Clock clock;
    double time = 0;            // cycle at which the pipe is free
    double done = 0;            // cycle at which all its results are there
    double busy = 0;
};

struct CoreState {
    std::array<PipeState, kNumPipes> pipes;
    std::vector<Snapshot> gates;                      // what the scalar unit knew at each of its blocking entries
    std::map<int, std::queue<Snapshot>> flags;        // by FlagKey
    std::map<int, std::queue<Snapshot>> cross_flags;  // by flag id
    uint32_t num_executed = 0;
    std::vector<bool> executed;
};

class Scheduler {
public:
    Scheduler(Machine& machine, std::deque<Core>& cores, Policy policy);

    // Executes one entry; false if none can run.
    bool Step();
    bool Executed(int core, uint32_t number) const;
    bool AllExecuted() const;
    void ReportDeadlock();
    void ReportLeftFlags();
    const CoreState& State(int core) const { return states_[core]; }
    double Makespan() const;

private:
    struct Choice {
        int core;
        int pipe;
        Entry* entry;
    };
    void Runnable(std::vector<Choice>& choices);
    bool CanRun(int core, const Entry& entry);
    const Choice& Choose(const std::vector<Choice>& choices);
    void Execute(const Choice& choice);
    void Operate(int core, PipeState& pipe, const Entry& entry);
    void CheckPoison(Core& core, const Entry& entry);
    void Synchronise(int core, PipeState& pipe, const Entry& entry);
    void PassGate(int core, PipeState& pipe, const Entry& entry);
    void BlockScalar(int core, PipeState& scalar, bool own_writes);
    void SetCrossFlag(int core, const Snapshot& snapshot, const Entry& entry);
    std::vector<int> Peers(int core, int mode) const;

    Machine& machine_;
    std::deque<Core>& cores_;
    const Policy policy_;
    std::vector<CoreState> states_;
    std::map<std::pair<int, int>, std::map<int, std::queue<Snapshot>>> arrivals_;  // (mode, group and flag) -> per core
    HazardTracker hazards_;
};

inline double Done(const PipeState& pipe) { return std::max(pipe.time, pipe.done); }

inline Scheduler::Scheduler(Machine& machine, std::deque<Core>& cores, Policy policy)
    : machine_(machine), cores_(cores), policy_(policy), states_(cores.size()) {
    for (CoreState& state : states_) {
        for (PipeState& pipe : state.pipes) pipe.clock = Clock(int(cores.size()) * kNumPipes);
    }
}

inline bool Scheduler::Step() {
    std::vector<Choice> choices;
    Runnable(choices);
    if (choices.empty()) return false;
    Execute(Choose(choices));
    return true;
}

inline bool Scheduler::Executed(int core, uint32_t number) const {
    const auto& executed = states_[core].executed;
    return number == 0 || (number <= executed.size() && executed[number - 1]);
}

inline bool Scheduler::AllExecuted() const {
    for (size_t core = 0; core < cores_.size(); ++core) {
        if (states_[core].num_executed < cores_[core].entries.size()) return false;
    }
    return true;
}

inline double Scheduler::Makespan() const {
    double makespan = 0;
    for (const CoreState& state : states_) {
        for (const PipeState& pipe : state.pipes) makespan = std::max(makespan, pipe.done);
    }
    return makespan;
}

inline void Scheduler::Runnable(std::vector<Choice>& choices) {
    for (size_t core = 0; core < cores_.size(); ++core) {
        for (int pipe = 0; pipe < kNumPipes; ++pipe) {
            const auto& queue = cores_[core].queues[pipe];
            const size_t head = states_[core].pipes[pipe].head;
            if (head == queue.size()) continue;
            Entry& entry = cores_[core].entries[queue[head]];
            if (CanRun(int(core), entry)) choices.push_back({int(core), pipe, &entry});
        }
    }
}

inline bool Scheduler::CanRun(int core, const Entry& entry) {
    CoreState& state = states_[core];
    if (entry.gate > state.gates.size()) return false;
    switch (entry.kind) {
        case EntryKind::WaitFlag: return !state.flags[FlagKey(entry.other_pipe, entry.pipe, entry.id)].empty();
        case EntryKind::CrossWait: return !state.cross_flags[entry.id].empty();
        case EntryKind::BarrierAll: return state.num_executed == entry.number - 1;
        default: return true;
    }
}

inline const Scheduler::Choice& Scheduler::Choose(const std::vector<Choice>& choices) {
    if (policy_ == Policy::Random) return choices[machine_.random() % choices.size()];
    auto rank = [&](const Choice& choice) {
        const bool load = choice.pipe == int(Pipe::MTE2);
        const int order = policy_ == Policy::LateLoads ? load : policy_ == Policy::EarlyLoads ? !load : 0;
        return std::make_pair(order, choice.entry->number);
    };
    auto before = [&](const Choice& a, const Choice& b) { return rank(a) < rank(b); };
    return *std::min_element(choices.begin(), choices.end(), before);
}

inline void Scheduler::Execute(const Choice& choice) {
    CoreState& state = states_[choice.core];
    PipeState& pipe = state.pipes[choice.pipe];
    const Entry& entry = *choice.entry;
    PassGate(choice.core, pipe, entry);
    pipe.clock.Tick(choice.core * kNumPipes + choice.pipe);
    if (entry.kind == EntryKind::Operation) {
        Operate(choice.core, pipe, entry);
    } else {
        Synchronise(choice.core, pipe, entry);
    }
    choice.entry->effect = nullptr;  // frees what it holds
    ++pipe.head;
    ++state.num_executed;
    state.executed.resize(cores_[choice.core].entries.size());
    state.executed[entry.number - 1] = true;
}

// The scalar unit issues all instructions, so what it has waited for is over before any later instruction starts.
inline void Scheduler::PassGate(int core, PipeState& pipe, const Entry& entry) {
    if (entry.gate <= pipe.passed_gate) return;
    const Snapshot& gate = states_[core].gates[entry.gate - 1];
    pipe.clock.Join(gate.clock);
    pipe.time = std::max(pipe.time, gate.time);
    pipe.passed_gate = entry.gate;
}

inline void Scheduler::Operate(int core, PipeState& pipe, const Entry& entry) {
    Core& owner = cores_[core];
    CheckPoison(owner, entry);
    Access access = {&owner, &entry, core * kNumPipes + int(entry.pipe),
                     pipe.clock[core * kNumPipes + int(entry.pipe)], pipe.barriers, 0, false};
    for (const Range& range : entry.reads) hazards_.Touch(owner, range, access, pipe.clock);
    access.write = true;
    for (const Range& range : entry.writes) hazards_.Touch(owner, range, access, pipe.clock);
    for (const Range& range : entry.garbage) hazards_.Touch(owner, range, access, pipe.clock);
    for (const Range& range : entry.garbage) owner.Of(range.scope).Forget(range.start, range.length);
    if (entry.effect) entry.effect();
    for (const Range& range : entry.writes) owner.Of(range.scope).MarkWritten(range.start, range.length);
    pipe.time += entry.cycles;
    pipe.busy += entry.cycles;
    pipe.done = std::max(pipe.done, pipe.time + entry.latency);
}

inline void Scheduler::CheckPoison(Core& core, const Entry& entry) {
    for (const Range& range : entry.reads) {
        const uint64_t unwritten = core.Of(range.scope).FirstUnwritten(range.start, range.length);
        if (unwritten == range.End()) continue;
        core.Report("uninitialized_read", Format("%s reads %s, of which %s was never written (or freed since)",
                                                 Describe(entry).c_str(), Describe(range).c_str(),
                                                 Describe(Range{range.scope, unwritten, 1}).c_str()));
        return;
    }
}

inline void Scheduler::Synchronise(int core, PipeState& pipe, const Entry& entry) {
    CoreState& state = states_[core];
    auto take = [&](std::queue<Snapshot>& queue) {
        pipe.clock.Join(queue.front().clock);
        pipe.time = std::max(pipe.time, queue.front().time);
        queue.pop();
        if (entry.pipe == Pipe::S) BlockScalar(core, pipe, false);
    };
    switch (entry.kind) {
        case EntryKind::SetFlag:
            state.flags[FlagKey(entry.pipe, entry.other_pipe, entry.id)].push({pipe.clock, Done(pipe)});
            break;
        case EntryKind::WaitFlag:
            take(state.flags[FlagKey(entry.other_pipe, entry.pipe, entry.id)]);
            break;
        case EntryKind::CrossSet:
            SetCrossFlag(core, {pipe.clock, Done(pipe)}, entry);
            break;
        case EntryKind::CrossWait:
            take(state.cross_flags[entry.id]);
            break;
        case EntryKind::BarrierAll:
            for (PipeState& other : state.pipes) {
                pipe.clock.Join(other.clock);
                pipe.time = std::max(pipe.time, Done(other));
            }
            BlockScalar(core, pipe, true);
            break;
        default:
            ++pipe.barriers;
    }
}

// Later instructions know what the scalar unit knows, except its own writes: those need an S_x flag (or PIPE_ALL).
inline void Scheduler::BlockScalar(int core, PipeState& scalar, bool own_writes) {
    CoreState& state = states_[core];
    Snapshot gate = {Clock(int(cores_.size()) * kNumPipes), scalar.time};
    gate.clock.Join(scalar.clock, own_writes ? -1 : core * kNumPipes + int(Pipe::S));
    if (!state.gates.empty()) gate.clock.Join(state.gates.back().clock);
    if (own_writes) {
        for (PipeState& pipe : state.pipes) ++pipe.barriers;
    }
    state.gates.push_back(gate);
}

// The cores that have to set a flag before anybody sees it: one Cube core, or all vector cores of a group or of the chip.
inline std::vector<int> Scheduler::Peers(int core, int mode) const {
    std::vector<int> peers;
    for (size_t other = 0; other < cores_.size(); ++other) {
        const bool same_type = cores_[other].type == cores_[core].type;
        if (same_type && (mode == 0 || cores_[other].block == cores_[core].block)) peers.push_back(int(other));
    }
    return peers;
}

inline void Scheduler::SetCrossFlag(int core, const Snapshot& snapshot, const Entry& entry) {
    const int group = entry.mode == 0 ? int(cores_[core].type) : cores_[core].block * 4 + int(cores_[core].type);
    auto& arrived = arrivals_[{entry.mode, group * 16 + entry.id}];
    arrived[core].push(snapshot);
    const std::vector<int> peers = Peers(core, entry.mode);
    for (int peer : peers) {
        if (arrived[peer].empty()) return;
    }
    Snapshot all = {Clock(int(cores_.size()) * kNumPipes), 0};
    for (int peer : peers) {
        all.clock.Join(arrived[peer].front().clock);
        all.time = std::max(all.time, arrived[peer].front().time);
        arrived[peer].pop();
    }
    for (size_t other = 0; other < cores_.size(); ++other) {
        const bool same_type = cores_[other].type == cores_[core].type, same_block = cores_[other].block == cores_[core].block;
        const bool receives = entry.mode == 0 ? same_type : entry.mode == 1 ? same_type && same_block : !same_type && same_block;
        if (!receives) continue;
        states_[other].cross_flags[entry.id].push(all);
        if (states_[other].cross_flags[entry.id].size() > 15) {
            cores_[core].Report("flag_overflow", Describe(entry) + ": more than 15 sets that " + cores_[other].Name() +
                                                     " has not waited for");
        }
    }
}

inline void Scheduler::ReportDeadlock() {
    for (size_t core = 0; core < cores_.size(); ++core) {
        for (int pipe = 0; pipe < kNumPipes; ++pipe) {
            const auto& queue = cores_[core].queues[pipe];
            const size_t head = states_[core].pipes[pipe].head;
            if (head == queue.size()) continue;
            const Entry& entry = cores_[core].entries[queue[head]];
            if (entry.gate > states_[core].gates.size() || entry.kind == EntryKind::BarrierAll) continue;
            cores_[core].Report("deadlock", Describe(entry) + " waits for ever");
        }
    }
}

inline void Scheduler::ReportLeftFlags() {
    for (size_t core = 0; core < cores_.size(); ++core) {
        for (const auto& [id, queue] : states_[core].cross_flags) {
            if (queue.empty()) continue;
            cores_[core].Report("flag_left_set", Format("CrossCore flag %d was set %zu times more than it was waited for", id,
                                                        queue.size()));
        }
    }
}

}  // namespace ascendc_sim
