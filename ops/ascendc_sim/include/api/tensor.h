// GlobalTensor and LocalTensor: typed views of GM and of a core's memories.
#pragma once
#include <memory>

#include "params.h"

namespace ascendc_sim {

// What a LocalTensor refers to, without its element type.
struct View {
    Scope scope = Scope::None;
    uint32_t start = 0;
    uint32_t length = 0;          // bytes
    Buffer* buffer = nullptr;
    uint32_t generation = 0;
    AscendC::TPosition position = AscendC::TPosition::MAX;

    uint8_t* Data(uint64_t offset = 0) const { return g_core->At(scope, start + offset); }
};

constexpr Scope ScopeOf(AscendC::TPosition position) {
    using AscendC::TPosition;
    switch (position) {
        case TPosition::GM: return Scope::GM;
        case TPosition::A1: case TPosition::B1: case TPosition::TSCM: return Scope::L1;
        case TPosition::C1: return kIs910A ? Scope::UB : Scope::L1;
        case TPosition::A2: return Scope::L0A;
        case TPosition::B2: return Scope::L0B;
        case TPosition::CO1: return Scope::L0C;
        case TPosition::CO2: return kIs910A ? Scope::UB : Scope::GM;
        case TPosition::VECIN: case TPosition::VECOUT: case TPosition::VECCALC: return Scope::UB;
        default: return Scope::None;
    }
}

inline Entry MakeEntry(Pipe pipe, const char* name) {
    Entry entry;
    entry.pipe = pipe;
    entry.name = name;
    entry.number = g_core->NextNumber();
    return entry;
}

// Runs an operation of the scalar unit now: the kernel is suspended until the scheduler has executed it.
inline void RecordAndAwait(Entry entry) {
    const uint32_t number = entry.number;
    g_core->Record(std::move(entry));
    if (g_core->NextNumber() == number) return;  // rejected
    g_core->awaited = number;
    g_core->Yield();
}

// Rejects an entry that uses a tensor without memory, or one whose buffer the queue has back.
inline void RequireAlive(const View& view, Entry& entry) {
    if (view.scope == Scope::None) {
        g_core->Report("no_tensor", Describe(entry) + " uses a tensor that no buffer was given to");
        entry.rejected = true;
        return;
    }
    const Buffer* buffer = view.buffer;
    if (buffer && buffer->queued && (buffer->state == BufferState::Free || buffer->generation != view.generation)) {
        const Range range = {view.scope, view.start, view.length};
        g_core->Report("use_after_free", Describe(entry) + " uses " + Describe(range) + ", which FreeTensor gave back");
        entry.rejected = true;
    }
}

// Bytes of a tensor as a range; rejects an entry that wants more than the tensor has.
inline Range Bytes(const View& view, uint64_t offset, uint64_t length, Entry& entry) {
    if (offset + length > view.length && !entry.rejected) {
        g_core->Report("out_of_range", Format("%s touches bytes [%llu, %llu) of a tensor at %s", Describe(entry).c_str(),
                                              (unsigned long long)offset, (unsigned long long)(offset + length),
                                              Describe(Range{view.scope, view.start, view.length}).c_str()));
        entry.rejected = true;
    }
    return {view.scope, view.start + offset, length};
}

inline void RequireAligned(uint64_t address, uint32_t unit, const char* what, const Entry& entry) {
    if (address % unit == 0) return;
    g_core->Report("misaligned", Format("%s: %s at %llu has to start at a multiple of %u bytes", Describe(entry).c_str(), what,
                                        (unsigned long long)address, unit));
}

}  // namespace ascendc_sim

namespace AscendC {

template <typename T>
class GlobalTensor {
    static_assert(!std::is_same_v<T, bfloat16_t> || ascendc_sim::kOn910B<T>, "the 910A has no bfloat16_t");

public:
    using PrimType = T;

    void SetGlobalBuffer(__gm__ T* buffer, uint64_t size) { address_ = buffer, size_ = size; }
    void SetGlobalBuffer(__gm__ T* buffer) { SetGlobalBuffer(buffer, 0); }
    const __gm__ T* GetPhyAddr() const { return address_; }
    __gm__ T* GetPhyAddr(uint64_t offset) const { return address_ + offset; }
    uint64_t GetSize() const { return size_; }

    GlobalTensor operator[](uint64_t offset) const {
        GlobalTensor tensor = *this;
        tensor.address_ += offset;
        tensor.size_ = size_ > offset ? size_ - offset : 0;
        return tensor;
    }

    T GetValue(uint64_t offset) const {
        auto value = std::make_shared<T>();
        ascendc_sim::Entry entry = ascendc_sim::MakeEntry(ascendc_sim::Pipe::S, "GlobalTensor::GetValue");
        entry.reads = {Range(offset * sizeof(T), sizeof(T))};
        entry.cycles = 1;
        entry.effect = [value, from = address_ + offset] { *value = *from; };
        ascendc_sim::RecordAndAwait(std::move(entry));
        return *value;
    }
    void SetValue(uint64_t offset, T value) {
        ascendc_sim::Entry entry = ascendc_sim::MakeEntry(ascendc_sim::Pipe::S, "GlobalTensor::SetValue");
        entry.writes = {Range(offset * sizeof(T), sizeof(T))};
        entry.cycles = 1;
        entry.effect = [value, to = address_ + offset] { *to = value; };
        ascendc_sim::g_core->Record(std::move(entry));
    }

    // The bytes at an offset, in the coordinates of the engine.
    ascendc_sim::Range Range(uint64_t offset, uint64_t length) const {
        const auto base = reinterpret_cast<uintptr_t>(ascendc_sim::g_core->machine.gm.At(0));
        return {ascendc_sim::Scope::GM, reinterpret_cast<uintptr_t>(address_) - base + offset, length};
    }

private:
    __gm__ T* address_ = nullptr;
    uint64_t size_ = 0;
};

template <typename T>
class LocalTensor {
    static_assert(!std::is_same_v<T, bfloat16_t> || ascendc_sim::kOn910B<T>, "the 910A has no bfloat16_t");

public:
    using PrimType = T;

    LocalTensor() = default;
    explicit LocalTensor(const ascendc_sim::View& view) : view_(view) {}

    LocalTensor operator[](uint32_t offset) const {
        LocalTensor tensor = *this;
        const uint64_t bytes = uint64_t(offset) * sizeof(T);
        if (bytes > view_.length) {
            ascendc_sim::g_core->Report("out_of_range", ascendc_sim::Format("LocalTensor[%u] of a tensor of %u elements",
                                                                            offset, GetSize()));
        }
        tensor.view_.start += uint32_t(std::min<uint64_t>(bytes, view_.length));
        tensor.view_.length -= uint32_t(std::min<uint64_t>(bytes, view_.length));
        return tensor;
    }

    template <typename U>
    LocalTensor<U> ReinterpretCast() const {
        return LocalTensor<U>(view_);
    }

    T GetValue(uint32_t index) const {
        auto value = std::make_shared<T>();
        ascendc_sim::Entry entry = ascendc_sim::MakeEntry(ascendc_sim::Pipe::S, "LocalTensor::GetValue");
        entry.reads = {Scalar(index, entry)};
        if (entry.rejected) return T();
        entry.cycles = 1;
        entry.effect = [value, from = view_.Data(uint64_t(index) * sizeof(T))] { std::memcpy(value.get(), from, sizeof(T)); };
        ascendc_sim::RecordAndAwait(std::move(entry));
        return *value;
    }
    template <typename U>
    void SetValue(uint32_t index, U value) const {
        ascendc_sim::Entry entry = ascendc_sim::MakeEntry(ascendc_sim::Pipe::S, "LocalTensor::SetValue");
        entry.writes = {Scalar(index, entry)};
        if (entry.rejected) return;
        entry.cycles = 1;
        entry.effect = [bits = T(value), to = view_.Data(uint64_t(index) * sizeof(T))] { std::memcpy(to, &bits, sizeof(T)); };
        ascendc_sim::g_core->Record(std::move(entry));
    }

    uint32_t GetSize() const { return view_.length / uint32_t(sizeof(T)); }
    void SetSize(uint32_t size) { view_.length = size * uint32_t(sizeof(T)); }
    int32_t GetPosition() const { return int32_t(view_.position); }
    uint64_t GetPhyAddr() const { return reinterpret_cast<uint64_t>(view_.Data()); }
    uint64_t GetPhyAddr(uint32_t offset) const { return GetPhyAddr() + uint64_t(offset) * sizeof(T); }
    void SetUserTag(TTagType tag) { tag_ = tag; }
    TTagType GetUserTag() const { return tag_; }
    const ascendc_sim::View& View() const { return view_; }

private:
    ascendc_sim::Range Scalar(uint32_t index, ascendc_sim::Entry& entry) const {
        ascendc_sim::RequireAlive(view_, entry);
        if (!entry.rejected && view_.scope != ascendc_sim::Scope::UB) {
            ascendc_sim::g_core->Report("no_such_path", Describe(entry) + ": the scalar unit reaches only UB and GM");
            entry.rejected = true;
        }
        return ascendc_sim::Bytes(view_, uint64_t(index) * sizeof(T), sizeof(T), entry);
    }

    ascendc_sim::View view_;
    TTagType tag_ = 0;
};

}  // namespace AscendC
