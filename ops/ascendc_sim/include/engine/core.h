// One core as the kernel sees it: its memories, its mode registers and the program that the kernel records on it.
#pragma once
#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <string>

#include "entry.h"

namespace AscendC {
class TPipe;
}

namespace ascendc_sim {

// A kernel argument in GM; addresses outside all extents are guard zones.
struct Extent {
    std::string name;
    uint64_t start;
    uint64_t length;
};

// What a block is on the 910B: a Cube core with two vector cores, or one core of either kind.
enum class BlockKind : uint8_t { Mixed, Vector, Cube };

struct Options {
    int num_blocks = 1;
    BlockKind block_kind = BlockKind::Mixed;
    uint64_t seed = 0;
    bool random_accumulation = false;  // Mmad adds its products in an order drawn from the seed
    bool saturate = false;             // values beyond half's range become +-65504 instead of inf
    int math_ulps = 0;                 // by how many last places Exp, Ln and their like may be off
    uint64_t tiling_key = 0;
};

// Everything that cores share.
struct Machine {
    Options options;
    Memory gm;
    std::vector<Extent> extents;
    Violations violations;
    Violations warnings;
    std::mt19937_64 random;
};

// A buffer that InitBuffer made. Tensors remember the generation they were allocated in: a later one means use after free.
enum class BufferState : uint8_t { Free, Occupied, Queued, Dequeued };
struct Buffer {
    Scope scope = Scope::None;
    uint32_t start = 0;
    uint32_t length = 0;
    bool queued = false;  // belongs to a queue, so it has to be allocated before use
    BufferState state = BufferState::Free;
    uint32_t generation = 0;
    int enqueue_event = -1;
    int free_event = -1;
    int free_event_kind = -1;
};

struct Core {
    Core(Machine& shared, int block_index, CoreType core_type, int sub_block_index);

    void Record(Entry entry);
    void Yield();  // suspends the kernel until entry number `awaited` has been executed
    void Report(const char* kind, const std::string& text);
    void Warn(const char* kind, const std::string& text);
    std::string Name() const;
    uint32_t NextNumber() const { return uint32_t(entries.size()) + 1; }
    uint8_t* At(Scope scope, uint64_t offset) { return Of(scope).At(offset); }
    Memory& Of(Scope scope) { return scope == Scope::GM ? machine.gm : local[int(scope)]; }

    Machine& machine;
    const int block;
    const CoreType type;
    const int sub_block;
    Memory local[kNumScopes];

    std::deque<Entry> entries;                     // addresses stay valid while the kernel goes on recording
    std::vector<uint32_t> queues[kNumPipes];       // indices into entries
    uint32_t num_gates = 0;
    uint32_t awaited = 0;                          // entries[awaited - 1] has to be executed before the kernel goes on
    std::map<int, int> outstanding_flags;          // flags set and not yet waited for, in program order
    std::deque<Buffer> buffers;

    AscendC::TPipe* pipe = nullptr;
    bool atomic_add = false;
    uint64_t mask[2] = {~0ull, ~0ull};
    bool count_mask = false;
};

// The core whose kernel body runs now.
inline Core* g_core = nullptr;

inline int FlagKey(Pipe from, Pipe to, int id) { return (int(from) * kNumPipes + int(to)) * 64 + id; }

}  // namespace ascendc_sim
