// TPipe hands out buffers and event ids; TQue, TQueBind and TBuf are what it hands them to.
#pragma once
#include <initializer_list>

#include "event.h"

namespace AscendC {

class TPipe;
inline TPipe* GetTPipePtr() { return ascendc_sim::g_core->pipe; }

template <TPosition src, TPosition dst, int32_t depth, auto mask = 0>
class TQueBind;
template <TPosition pos = TPosition::LCM>
class TBuf;

class TPipe {
public:
    TPipe() { Init(); }
    ~TPipe() {
        if (!destroyed_) Destroy();
    }
    TPipe(const TPipe&) = delete;

    // On an AIC the library keeps three M_MTE1 flags, set from the start.
    void Init() {
        core_.pipe = this;
        destroyed_ = false;
        if (core_.type != ascendc_sim::CoreType::Cube) return;
        for (int i = 0; i < kLibraryFlags; ++i) SetFlag<HardEvent::M_MTE1>(AllocEventID<HardEvent::M_MTE1>());
    }
    void Destroy() {
        destroyed_ = true;
        WaitForFreeBuffers();
        if (core_.type == ascendc_sim::CoreType::Cube) {
            for (int i = 0; i < kLibraryFlags; ++i) {
                WaitFlag<HardEvent::M_MTE1>(i);
                ReleaseEventID<HardEvent::M_MTE1>(TEventID(i));
            }
        }
        PipeBarrier<PIPE_ALL>();
    }
    void Reset() {
        WaitForFreeBuffers();
        for (uint32_t& used : used_) used = 0;
        for (uint8_t& taken : taken_events_) taken = 0;
    }

    template <typename Queue>
    bool InitBuffer(Queue& queue, uint8_t num, uint32_t len) {
        static_assert(Queue::isTQue, "InitBuffer(queue, num, len) is for queues; a TBuf takes InitBuffer(buffer, len)");
        queue.buffers_.clear();
        for (int i = 0; i < num; ++i) queue.buffers_.push_back(NewBuffer(Queue::kScope, len, true));
        return true;
    }
    template <TPosition pos>
    bool InitBuffer(TBuf<pos>& buffer, uint32_t len) {
        buffer.buffer_ = NewBuffer(ascendc_sim::ScopeOf(pos), len, false);
        return true;
    }

    template <HardEvent event>
    TEventID AllocEventID() {
        const TEventID id = FetchEventID(event);
        taken_events_[int(event)] |= uint8_t(1 << id);
        return id;
    }
    template <HardEvent event>
    void ReleaseEventID(TEventID id) {
        taken_events_[int(event)] &= uint8_t(~(1 << id));
    }
    template <HardEvent event>
    TEventID FetchEventID() {
        return FetchEventID(event);
    }
    // The lowest id that nobody holds. It is not taken: the next call gives the same one.
    TEventID FetchEventID(HardEvent event) {
        for (int id = 0; id < QUE_MAX_EVENT; ++id) {
            if (!(taken_events_[int(event)] >> id & 1)) return TEventID(id);
        }
        const ascendc_sim::EventPipes pipes = ascendc_sim::PipesOf(event);
        core_.Report("out_of_event_ids", ascendc_sim::Format("all %d ids of %s_%s are taken", QUE_MAX_EVENT,
                                                             ascendc_sim::kPipeNames[int(pipes.from)],
                                                             ascendc_sim::kPipeNames[int(pipes.to)]));
        return 0;
    }

private:
    static constexpr int kLibraryFlags = 3;

    ascendc_sim::Buffer* NewBuffer(ascendc_sim::Scope scope, uint32_t length, bool queued) {
        using ascendc_sim::Scope;
        length = (length + ONE_BLK_SIZE - 1) / ONE_BLK_SIZE * ONE_BLK_SIZE;
        uint32_t& used = used_[int(scope)];
        const uint32_t capacity = scope == Scope::UB   ? ascendc_sim::kChip.usable_ub
                                  : scope == Scope::L1 ? ascendc_sim::kChip.usable_l1
                                                       : ascendc_sim::kChip.capacity[int(scope)];
        core_.buffers.emplace_back();
        if (length == 0 || used + length > capacity) {
            core_.Report("capacity", ascendc_sim::Format("InitBuffer of %u bytes in %s, of which %u of %u are taken", length,
                                                         ascendc_sim::kScopeNames[int(scope)], used, capacity));
            return &core_.buffers.back();
        }
        ascendc_sim::Buffer& buffer = core_.buffers.back();
        buffer.scope = scope;
        buffer.start = used;
        buffer.length = length;
        buffer.queued = queued;
        used += length;
        return &buffer;
    }

    void WaitForFreeBuffers() {
        for (ascendc_sim::Buffer& buffer : core_.buffers) {
            if (buffer.free_event < 0) continue;
            ascendc_sim::RecordFlag(ascendc_sim::EntryKind::WaitFlag, HardEvent(buffer.free_event_kind), buffer.free_event);
            buffer.free_event = -1;
        }
    }

    ascendc_sim::Core& core_ = *ascendc_sim::g_core;
    bool destroyed_ = false;
    uint32_t used_[ascendc_sim::kNumScopes] = {};
    uint8_t taken_events_[ascendc_sim::kNumEvents] = {};
};

// A queue of buffers between two positions. EnQue sets a flag that DeQue waits for; FreeTensor sets one that AllocTensor
// waits for.
template <TPosition src, TPosition dst, int32_t depth, auto mask>
class TQueBind {
public:
    static constexpr bool isTQue = true;

    template <typename T>
    LocalTensor<T> AllocTensor() {
        for (ascendc_sim::Buffer* buffer : Rotated()) {
            if (buffer->state != ascendc_sim::BufferState::Free || buffer->scope == ascendc_sim::Scope::None) continue;
            TakeBack(*buffer);
            buffer->state = ascendc_sim::BufferState::Occupied;
            ++buffer->generation;
            return Tensor<T>(*buffer);
        }
        Fail("AllocTensor", "no buffer is free");
        return {};
    }

    template <typename T>
    void FreeTensor(LocalTensor<T>& tensor) {
        ascendc_sim::Buffer* buffer = Own(tensor, "FreeTensor");
        if (!buffer) return;
        if (buffer->state == ascendc_sim::BufferState::Free) return Fail("FreeTensor", "the tensor is free already");
        constexpr HardEvent kFreed = ascendc_sim::EventOf(kPipes.to, kPipes.from);
        buffer->state = ascendc_sim::BufferState::Free;
        buffer->free_event = GetTPipePtr()->template AllocEventID<kFreed>();
        buffer->free_event_kind = int(kFreed);
        SetFlag<kFreed>(buffer->free_event);
    }

    template <typename T>
    bool EnQue(const LocalTensor<T>& tensor) {
        return EnQueWith<kFilled>(tensor);
    }
    template <TPosition from, TPosition to, typename T>
    bool EnQue(const LocalTensor<T>& tensor) {
        return EnQueWith<UserEvent<from, to>()>(tensor);
    }
    template <typename T>
    LocalTensor<T> DeQue() {
        return DeQueWith<kFilled, T>();
    }
    template <TPosition from, TPosition to, typename T>
    LocalTensor<T> DeQue() {
        return DeQueWith<UserEvent<from, to>(), T>();
    }

    bool VacantInQue() { return int(queue_.size()) < kDepth; }
    bool HasTensorInQue() { return !queue_.empty(); }
    int32_t GetTensorCountInQue() { return int32_t(queue_.size()); }
    bool HasIdleBuffer() {
        for (const ascendc_sim::Buffer* buffer : buffers_) {
            if (buffer->state == ascendc_sim::BufferState::Free) return true;
        }
        return false;
    }
    void FreeAllEvent() {
        for (ascendc_sim::Buffer* buffer : queue_) WaitFilled<kFilled>(*buffer);
    }

protected:
    friend class TPipe;
    // Data bound for GM (or for the 910A's vector unit from L0C) stays where it was made.
    static constexpr bool kAtSource = dst == TPosition::GM || dst == TPosition::CO2;
    static constexpr TPosition kPosition = kAtSource ? src : dst;
    static constexpr ascendc_sim::Scope kScope = ascendc_sim::ScopeOf(kPosition);
    static constexpr int32_t kDepth = depth == 0 ? 1 : depth;

    template <TPosition from, TPosition to>
    static constexpr HardEvent UserEvent() {
        constexpr ascendc_sim::EventPipes pipes = ascendc_sim::QueuePipes(ascendc_sim::ScopeOf(from), ascendc_sim::ScopeOf(to));
        return ascendc_sim::EventOf(pipes.from, pipes.to);
    }
    static constexpr ascendc_sim::EventPipes kPipes =
        ascendc_sim::QueuePipes(ascendc_sim::ScopeOf(src), ascendc_sim::ScopeOf(dst));
    static constexpr HardEvent kFilled = ascendc_sim::EventOf(kPipes.from, kPipes.to);

    static void Fail(const char* call, const char* why) {
        ascendc_sim::g_core->Report("queue_misuse", ascendc_sim::Format("%s: %s", call, why));
    }

    template <typename T>
    static LocalTensor<T> Tensor(ascendc_sim::Buffer& buffer) {
        return LocalTensor<T>({buffer.scope, buffer.start, buffer.length, &buffer, buffer.generation, kPosition});
    }

    // The queue's buffers in the order in which AllocTensor tries them.
    std::vector<ascendc_sim::Buffer*> Rotated() {
        std::vector<ascendc_sim::Buffer*> order;
        for (size_t i = 0; i < buffers_.size(); ++i) order.push_back(buffers_[(next_ + i) % buffers_.size()]);
        if (!buffers_.empty()) next_ = (next_ + 1) % buffers_.size();
        return order;
    }

    // Waits until the last user of a buffer is done with it, and poisons what that user left behind.
    static void TakeBack(ascendc_sim::Buffer& buffer) {
        constexpr HardEvent kFreed = ascendc_sim::EventOf(kPipes.to, kPipes.from);
        if (buffer.free_event < 0) return;
        WaitFlag<kFreed>(buffer.free_event);
        GetTPipePtr()->template ReleaseEventID<kFreed>(TEventID(buffer.free_event));
        buffer.free_event = -1;
        ascendc_sim::Entry poison = ascendc_sim::MakeEntry(kPipes.from, "AllocTensor");
        poison.garbage = {{buffer.scope, buffer.start, buffer.length}};
        poison.effect = [data = ascendc_sim::g_core->At(buffer.scope, buffer.start), length = buffer.length] {
            std::memset(data, ascendc_sim::kPoison, length);
        };
        ascendc_sim::g_core->Record(std::move(poison));
    }

    template <typename T>
    ascendc_sim::Buffer* Own(const LocalTensor<T>& tensor, const char* call) const {
        for (ascendc_sim::Buffer* buffer : buffers_) {
            if (buffer == tensor.View().buffer) return buffer;
        }
        Fail(call, "the tensor is not one of this queue");
        return nullptr;
    }

    template <HardEvent event, typename T>
    bool EnQueWith(const LocalTensor<T>& tensor) {
        ascendc_sim::Buffer* buffer = Own(tensor, "EnQue");
        if (!buffer) return false;
        if (buffer->state == ascendc_sim::BufferState::Free) return Fail("EnQue", "the tensor is free"), false;
        if (buffer->state == ascendc_sim::BufferState::Queued) return Fail("EnQue", "the tensor is queued already"), false;
        if (!VacantInQue()) return Fail("EnQue", "the queue holds as many tensors as it is deep"), false;
        buffer->state = ascendc_sim::BufferState::Queued;
        buffer->enqueue_event = event == HardEvent::V_V ? 0 : GetTPipePtr()->template AllocEventID<event>();
        SetFlag<event>(buffer->enqueue_event);
        queue_.push_back(buffer);
        return true;
    }

    template <HardEvent event>
    static void WaitFilled(ascendc_sim::Buffer& buffer) {
        WaitFlag<event>(buffer.enqueue_event);
        GetTPipePtr()->template ReleaseEventID<event>(TEventID(buffer.enqueue_event));
        buffer.enqueue_event = -1;
    }

    template <HardEvent event, typename T>
    LocalTensor<T> DeQueWith() {
        if (queue_.empty()) return Fail("DeQue", "the queue is empty"), LocalTensor<T>();
        ascendc_sim::Buffer* buffer = queue_.front();
        queue_.pop_front();
        WaitFilled<event>(*buffer);
        buffer->state = ascendc_sim::BufferState::Dequeued;
        return Tensor<T>(*buffer);
    }

    std::vector<ascendc_sim::Buffer*> buffers_;
    std::deque<ascendc_sim::Buffer*> queue_;
    size_t next_ = 0;
};

constexpr TPosition QueueSource(TPosition position) {
    switch (position) {
        case TPosition::A1: case TPosition::B1: case TPosition::C1: case TPosition::VECIN: return TPosition::GM;
        case TPosition::A2: return TPosition::A1;
        case TPosition::B2: return TPosition::B1;
        case TPosition::C2: return TPosition::C1;
        default: return position;
    }
}

constexpr TPosition QueueDestination(TPosition position) {
    switch (position) {
        case TPosition::CO1: return TPosition::CO2;
        case TPosition::CO2: case TPosition::VECOUT: return TPosition::GM;
        default: return position;
    }
}

template <TPosition pos, int32_t depth, auto mask = 0>
class TQue : public TQueBind<QueueSource(pos), QueueDestination(pos), depth, mask> {
    static_assert(pos != TPosition::GM && pos != TPosition::VECCALC, "a queue has a source and a destination; use TBuf");
};

// A plain buffer: always there, with no flags of its own.
template <TPosition pos>
class TBuf {
public:
    static constexpr bool isTQue = false;

    template <typename T>
    LocalTensor<T> Get() {
        return GetWithOffset<T>(buffer_ ? buffer_->length / uint32_t(sizeof(T)) : 0, 0);
    }
    template <typename T>
    LocalTensor<T> Get(uint32_t len) {
        return GetWithOffset<T>(len, 0);
    }
    // `size` in elements, `bufOffset` in bytes.
    template <typename T>
    LocalTensor<T> GetWithOffset(uint32_t size, uint32_t bufOffset) {
        if (!buffer_ || uint64_t(bufOffset) + uint64_t(size) * sizeof(T) > buffer_->length) {
            const uint32_t length = buffer_ ? buffer_->length : 0;
            const std::string wanted = ascendc_sim::Format("%u elements at byte %u of %u bytes", size, bufOffset, length);
            ascendc_sim::g_core->Report("out_of_range", "TBuf::Get of " + wanted);
            return {};
        }
        return LocalTensor<T>({buffer_->scope, buffer_->start + bufOffset, size * uint32_t(sizeof(T)), buffer_, 0, pos});
    }
    template <typename T>
    LocalTensor<T> AllocTensor() {
        return Get<T>();
    }
    template <typename T>
    void FreeTensor(LocalTensor<T>&) {}
    template <typename T>
    void EnQue(const LocalTensor<T>&) {}
    template <typename T>
    LocalTensor<T> DeQue() {
        return Get<T>();
    }

private:
    friend class TPipe;
    ascendc_sim::Buffer* buffer_ = nullptr;
};

}  // namespace AscendC
