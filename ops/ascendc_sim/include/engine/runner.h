// The program that runs one kernel of the object file it is linked with: runner SPEC DATA OUTPUT REPORT (see ../../__init__.py).
// It is compiled as a unit of its own, once per chip.
#include <dlfcn.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "engine/report.h"

using namespace ascendc_sim;

namespace {

constexpr uint64_t kGuardBytes = 4096, kAlignment = 512;
constexpr int kMaxArguments = 32;

// The spec is lines of words: `key value`, and `argument NAME BYTES INITIALISED` for each kernel argument in order.
struct Spec {
    std::string kernel, schedule = "program";
    Options options;
    struct Argument {
        std::string name;
        uint64_t length;
        bool initialised;
    };
    std::vector<Argument> arguments;
};

Spec ReadSpec(const char* path) {
    Spec spec;
    std::ifstream file(path);
    std::string block = "mixed";
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string key;
        words >> key;
        if (key == "kernel") words >> spec.kernel;
        if (key == "schedule") words >> spec.schedule;
        if (key == "num_blocks") words >> spec.options.num_blocks;
        if (key == "block") words >> block;
        if (key == "seed") words >> spec.options.seed;
        if (key == "random_accumulation") words >> spec.options.random_accumulation;
        if (key == "saturate") words >> spec.options.saturate;
        if (key == "math_ulps") words >> spec.options.math_ulps;
        if (key == "tiling_key") words >> spec.options.tiling_key;
        if (key == "argument") {
            spec.arguments.emplace_back();
            words >> spec.arguments.back().name >> spec.arguments.back().length >> spec.arguments.back().initialised;
        }
    }
    spec.options.block_kind = block == "vector" ? BlockKind::Vector : block == "cube" ? BlockKind::Cube : BlockKind::Mixed;
    return spec;
}

Policy PolicyOf(const std::string& name) {
    if (name == "random") return Policy::Random;
    if (name == "late_loads") return Policy::LateLoads;
    return name == "early_loads" ? Policy::EarlyLoads : Policy::Program;
}

uint64_t RoundUp(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

// Lays the arguments out in GM with guard zones between them. Addresses start at an aligned host address.
void Place(Machine& machine, const Spec& spec, const std::string& data) {
    uint64_t size = kGuardBytes + kAlignment;
    for (const auto& argument : spec.arguments) size += RoundUp(argument.length, kAlignment) + kGuardBytes;
    machine.gm.Allocate(size);
    const uint64_t misaligned = reinterpret_cast<uintptr_t>(machine.gm.At(0)) % kAlignment;
    uint64_t start = kGuardBytes + (kAlignment - misaligned) % kAlignment, taken = 0;
    for (const auto& argument : spec.arguments) {
        machine.extents.push_back({argument.name, start, argument.length});
        if (argument.initialised) {
            std::memcpy(machine.gm.At(start), data.data() + taken, argument.length);
            machine.gm.MarkWritten(start, argument.length);
            taken += argument.length;
        }
        start += RoundUp(argument.length, kAlignment) + kGuardBytes;
    }
}

template <size_t... I>
void CallWith(void* kernel, const std::vector<uint8_t*>& arguments, std::index_sequence<I...>) {
    using Plain = void (*)(std::remove_const_t<std::remove_reference_t<decltype(arguments[I])>>...);
    reinterpret_cast<Plain>(kernel)(arguments[I]...);
}

template <size_t... N>
void Call(void* kernel, const std::vector<uint8_t*>& arguments, std::index_sequence<N...>) {
    ((arguments.size() == N ? CallWith(kernel, arguments, std::make_index_sequence<N>()) : void()), ...);
}

// Writes through raw pointers pass the engine by; those that leave an argument show in its guard zones.
void CheckGuards(Machine& machine) {
    for (const Extent& extent : machine.extents) {
        for (uint64_t offset : {extent.start - kGuardBytes / 2, extent.start + extent.length}) {
            for (uint64_t i = 0; i < kGuardBytes / 2; ++i) {
                if (*machine.gm.At(offset + i) == kPoison) continue;
                machine.violations.Add("gm_guard_overwritten", "the kernel wrote outside " + extent.name + " through a pointer");
                break;
            }
        }
    }
}

void WriteOutput(Machine& machine, const char* path) {
    std::ofstream file(path, std::ios::binary);
    for (const Extent& extent : machine.extents) {
        file.write(reinterpret_cast<const char*>(machine.gm.At(extent.start)), std::streamsize(extent.length));
    }
}

void CheckOutputsWritten(Machine& machine, const Spec& spec) {
    for (size_t i = 0; i < spec.arguments.size(); ++i) {
        const Extent& extent = machine.extents[i];
        if (spec.arguments[i].initialised || extent.name == "workspace" || extent.length == 0) continue;
        const uint64_t unwritten = machine.gm.FirstUnwritten(extent.start, extent.length) - extent.start;
        if (unwritten == extent.length) continue;
        machine.violations.Add("output_not_written", Format("byte %llu of the output %s was never written",
                                                            (unsigned long long)unwritten, extent.name.c_str()));
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) return std::fputs("usage: runner SPEC DATA OUTPUT REPORT\n", stderr), 2;
    const Spec spec = ReadSpec(argv[1]);
    void* kernel = dlsym(RTLD_DEFAULT, spec.kernel.c_str());
    if (!kernel) return std::fprintf(stderr, "no extern \"C\" kernel named %s\n", spec.kernel.c_str()), 2;

    std::ifstream data_file(argv[2], std::ios::binary);
    const std::string data((std::istreambuf_iterator<char>(data_file)), std::istreambuf_iterator<char>());
    Machine machine;
    machine.options = spec.options;
    machine.random.seed(spec.options.seed);
    g_tilingKey = spec.options.tiling_key;
    Place(machine, spec, data);
    std::vector<uint8_t*> pointers;
    for (const Extent& extent : machine.extents) pointers.push_back(machine.gm.At(extent.start));

    auto body = [&] { Call(kernel, pointers, std::make_index_sequence<kMaxArguments + 1>()); };
    Simulation simulation(machine, PolicyOf(spec.schedule), body);
    simulation.Run();
    CheckGuards(machine);
    CheckOutputsWritten(machine, spec);
    WriteOutput(machine, argv[3]);
    std::FILE* report = std::fopen(argv[4], "w");
    WriteReport(report, machine, simulation);
    return std::fclose(report);
}
