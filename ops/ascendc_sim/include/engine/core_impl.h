// How a core records: it numbers entries, rejects those that the chip cannot run, and puts the rest into the pipes' queues.
// For the runner only: kernels are linked against it.
#pragma once
#include "core.h"

namespace ascendc_sim {

Core::Core(Machine& shared, int block_index, CoreType core_type, int sub_block_index)
    : machine(shared), block(block_index), type(core_type), sub_block(sub_block_index) {
    for (int scope = int(Scope::UB); scope < kNumScopes; ++scope) local[scope].Allocate(kChip.capacity[scope]);
}

std::string Core::Name() const {
    if (type == CoreType::Mix) return Format("core %d", block);
    return type == CoreType::Cube ? Format("AIC %d", block) : Format("AIV %d.%d", block, sub_block);
}

void Core::Report(const char* kind, const std::string& text) { machine.violations.Add(kind, Name() + ": " + text); }
void Core::Warn(const char* kind, const std::string& text) { machine.warnings.Add(kind, Name() + ": " + text); }

// The start of the nearest argument at or before an address helps to read an error about GM.
inline std::string DescribeGm(const Machine& machine, const Range& range) {
    const Extent* nearest = nullptr;
    for (const Extent& extent : machine.extents) {
        if (extent.start <= range.start || !nearest) nearest = &extent;
    }
    if (!nearest) return Describe(range);
    const long long offset = (long long)range.start - (long long)nearest->start;
    return Format("bytes [%lld, %lld) of %s, which has %llu", offset, offset + (long long)range.length,
                  nearest->name.c_str(), (unsigned long long)nearest->length);
}

inline bool InBounds(Core& core, const Entry& entry, const Range& range) {
    if (range.length == 0) return true;
    if (range.scope == Scope::GM) {
        for (const Extent& extent : core.machine.extents) {
            if (extent.start <= range.start && range.End() <= extent.start + extent.length) return true;
        }
        core.Report("gm_out_of_range", Describe(entry) + " touches " + DescribeGm(core.machine, range));
        return false;
    }
    if (range.End() <= core.Of(range.scope).Size()) return true;
    core.Report("out_of_range", Format("%s touches %s, the chip has %llu bytes", Describe(entry).c_str(),
                                       Describe(range).c_str(), (unsigned long long)core.Of(range.scope).Size()));
    return false;
}

inline bool Blocks(const Entry& entry) {
    const bool waits = entry.kind == EntryKind::WaitFlag || entry.kind == EntryKind::CrossWait;
    return entry.kind == EntryKind::BarrierAll || (waits && entry.pipe == Pipe::S);
}

void Core::Record(Entry entry) {
    entry.number = NextNumber();
    entry.gate = num_gates;
    if (!HasPipe(type, entry.pipe)) {
        Report("wrong_core", Describe(entry) + " runs on a pipe that this core does not have");
        return;
    }
    bool valid = !entry.rejected;
    for (auto* ranges : {&entry.reads, &entry.writes, &entry.garbage}) {
        auto empty = [](const Range& range) { return range.length == 0; };
        ranges->erase(std::remove_if(ranges->begin(), ranges->end(), empty), ranges->end());
        for (size_t i = 0; valid && i < ranges->size(); ++i) valid = InBounds(*this, entry, (*ranges)[i]);
    }
    if (!valid) return;
    if (Blocks(entry)) ++num_gates;
    queues[int(entry.pipe)].push_back(uint32_t(entries.size()));
    entries.push_back(std::move(entry));
}

}  // namespace ascendc_sim
