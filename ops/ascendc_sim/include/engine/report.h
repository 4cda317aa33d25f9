// Writes what a run found and how long its model says it took as JSON.
#pragma once
#include <algorithm>
#include <cstdio>

#include "cycles.h"
#include "simulation.h"

namespace ascendc_sim {

class JsonWriter {
public:
    explicit JsonWriter(std::FILE* file) : file_(file) {}

    void Open(char bracket) { Separate(), std::fputc(bracket, file_), first_ = true; }
    void Close(char bracket) { std::fputc(bracket, file_), first_ = false; }
    void Key(const char* key) { Separate(), std::fprintf(file_, "\"%s\":", key), first_ = true; }
    void Number(double value) { Separate(), std::fprintf(file_, "%.17g", value); }
    void Text(const std::string& text) {
        Separate();
        std::fputc('"', file_);
        for (char c : text) {
            if (c == '"' || c == '\\') std::fputc('\\', file_);
            std::fputc(c < ' ' ? ' ' : c, file_);
        }
        std::fputc('"', file_);
    }

private:
    void Separate() {
        if (!first_) std::fputc(',', file_);
        first_ = false;
    }
    std::FILE* file_;
    bool first_ = true;
};

inline void WriteViolations(JsonWriter& json, const char* key, const Violations& violations) {
    json.Key(key);
    json.Open('[');
    for (const Violation& violation : violations.List()) {
        json.Open('['), json.Text(violation.kind), json.Text(violation.text), json.Close(']');
    }
    json.Close(']');
    json.Key((std::string(key) + "_counts").c_str());
    json.Open('{');
    for (const auto& [kind, count] : violations.Counts()) json.Key(kind.c_str()), json.Number(count);
    json.Close('}');
}

inline void WriteChip(JsonWriter& json) {
    json.Open('{');
    json.Key("cube_cores"), json.Number(kChip.cube_cores);
    json.Key("vector_cores"), json.Number(kChip.vector_cores);
    json.Key("gm_read_rate"), json.Number(std::max(kChip.gm_to_ub, kChip.gm_to_l1));
    json.Key("gm_write_rate"), json.Number(std::max(kChip.ub_to_gm, kChip.l0c_to_gm));
    json.Key("cube_flop_rate"), json.Number(kCubeFlopRate);
    json.Close('}');
}

inline void WriteCore(JsonWriter& json, const Core& core, const CoreState& state) {
    double read = 0, written = 0, flop = 0;
    for (const Entry& entry : core.entries) {
        flop += entry.cube_flop;
        for (const Range& range : entry.reads) read += range.scope == Scope::GM ? range.length : 0;
        for (const Range& range : entry.writes) written += range.scope == Scope::GM ? range.length : 0;
    }
    json.Open('{');
    json.Key("name"), json.Text(core.Name());
    json.Key("num_entries"), json.Number(double(core.entries.size()));
    json.Key("gm_bytes_read"), json.Number(read);
    json.Key("gm_bytes_written"), json.Number(written);
    json.Key("cube_flop"), json.Number(flop);
    json.Key("busy"), json.Open('{');
    for (int pipe = 0; pipe < kNumPipes; ++pipe) json.Key(kPipeNames[pipe]), json.Number(state.pipes[pipe].busy);
    json.Close('}');
    json.Close('}');
}

inline void WriteReport(std::FILE* file, const Machine& machine, const Simulation& simulation) {
    JsonWriter json(file);
    json.Open('{');
    json.Key("ghz"), json.Number(kChip.ghz);
    json.Key("chip"), WriteChip(json);
    json.Key("makespan"), json.Number(simulation.Executor().Makespan());
    WriteViolations(json, "violations", machine.violations);
    WriteViolations(json, "warnings", machine.warnings);
    json.Key("cores");
    json.Open('[');
    int index = 0;
    for (const Core& core : simulation.Cores()) WriteCore(json, core, simulation.Executor().State(index++));
    json.Close(']');
    json.Close('}');
}

}  // namespace ascendc_sim
