// Finds accesses of two pipes to the same bytes that no flag orders, on granules of 32 bytes with a mask of their bytes.
#pragma once
#include <set>
#include <utility>
#include <vector>

#include "clock.h"
#include "core.h"

namespace ascendc_sim {

struct Access {
    const Core* core;
    const Entry* entry;
    int pipe;             // global number of the pipe: core * kNumPipes + pipe
    uint32_t time;        // of that pipe's clock
    uint32_t barriers;    // PipeBarriers that the pipe had passed
    uint32_t bytes;       // bit i: byte i of the granule
    bool write;
};

class HazardTracker {
public:
    // Compares one access of `who.entry` with all earlier ones on the range, as `known` orders them, and remembers it.
    void Touch(Core& core, const Range& range, Access who, const Clock& known) {
        auto& granules = GranulesOf(core, range.scope);
        const uint64_t first = range.start / kBlockBytes, last = (range.End() - 1) / kBlockBytes;
        if (granules.size() <= last) granules.resize(last + 1);
        for (uint64_t g = first; g <= last; ++g) {
            const uint64_t low = std::max(range.start, g * kBlockBytes), high = std::min(range.End(), (g + 1) * kBlockBytes);
            who.bytes = uint32_t(((1ull << (high - low)) - 1) << (low % kBlockBytes));
            for (const Access& earlier : granules[g]) {
                if (earlier.bytes & who.bytes) Compare(core, {range.scope, low, range.End() - low}, earlier, who, known);
            }
            Remember(granules[g], who);
        }
    }

private:
    using Granules = std::vector<std::vector<Access>>;

    Granules& GranulesOf(const Core& core, Scope scope) {
        return granules_[{scope == Scope::GM ? nullptr : &core, scope}];
    }

    // `where` is the rest of the later access's range from the first byte in common.
    void Compare(Core& core, const Range& where, const Access& earlier, const Access& later, const Clock& known) {
        if (earlier.entry == later.entry || !(earlier.write || later.write)) return;
        if (earlier.entry->atomic && later.entry->atomic && where.scope == Scope::GM) return;
        if (earlier.pipe == later.pipe) {
            if (earlier.write && !later.write && earlier.barriers == later.barriers) NeedBarrier(core, where, earlier, later);
        } else if (known[earlier.pipe] < earlier.time) {
            const char* kind = !earlier.write ? "hazard_war" : later.write ? "hazard_waw" : "hazard_raw";
            ReportOnce(core, kind, "and no flag orders them", where, earlier, later);
        }
    }

    // A pipe starts an operation before the one before it has written everything.
    void NeedBarrier(Core& core, const Range& where, const Access& earlier, const Access& later) {
        if (later.entry->pipe == Pipe::V) {
            ReportOnce(core, "missing_pipe_barrier", "without PipeBarrier<PIPE_V> between them", where, earlier, later);
        } else if (later.entry->wants_barrier && reported_.insert({earlier.entry, later.entry}).second) {
            core.Warn("small_mmad", Describe(*later.entry) + " adds to what " + Describe(*earlier.entry) +
                                        " wrote: for fewer than 10 fractals the documentation asks for PipeBarrier<PIPE_M>");
        }
    }

    void ReportOnce(Core& core, const char* kind, const char* why, const Range& where, const Access& earlier,
                    const Access& later) {
        if (!reported_.insert({earlier.entry, later.entry}).second) return;
        Range common = {where.scope, where.start, 1};
        for (const auto* ranges : {&earlier.entry->reads, &earlier.entry->writes, &earlier.entry->garbage}) {
            for (const Range& range : *ranges) {
                if (range.scope != where.scope || range.start > where.start || range.End() <= where.start) continue;
                common.length = std::max(common.length, std::min(range.End(), where.End()) - where.start);
            }
        }
        const std::string other_core = earlier.core == later.core ? "" : " of " + earlier.core->Name();
        core.Report(kind, Format("%s %s %s, which %s%s %s, %s", Describe(*later.entry).c_str(),
                                 later.write ? "writes" : "reads", Describe(common).c_str(), Describe(*earlier.entry).c_str(),
                                 other_core.c_str(), earlier.write ? "writes" : "reads", why));
    }

    // A write makes earlier accesses to its bytes irrelevant (they are ordered before it or reported), unless it is one of
    // several atomic ones; a read replaces an earlier read by the same pipe.
    static void Remember(std::vector<Access>& accesses, const Access& who) {
        auto obsolete = [&](Access& earlier) {
            if (who.write && !who.entry->atomic) earlier.bytes &= ~who.bytes;
            const bool same_read = !who.write && !earlier.write && earlier.pipe == who.pipe;
            return earlier.bytes == 0 || (same_read && (earlier.bytes & ~who.bytes) == 0);
        };
        accesses.erase(std::remove_if(accesses.begin(), accesses.end(), obsolete), accesses.end());
        accesses.push_back(who);
    }

    std::map<std::pair<const Core*, Scope>, Granules> granules_;
    std::set<std::pair<const Entry*, const Entry*>> reported_;
};

}  // namespace ascendc_sim
