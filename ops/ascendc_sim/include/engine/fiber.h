// A kernel body that can be suspended: it runs on its own stack until it ends or has to know what a pipe computed.
#pragma once
#include <ucontext.h>

#include <functional>
#include <memory>

namespace ascendc_sim {

class Fiber {
public:
    explicit Fiber(std::function<void()> body) : body_(std::move(body)), stack_(new char[kStackBytes]) {
        getcontext(&context_);
        context_.uc_stack.ss_sp = stack_.get();
        context_.uc_stack.ss_size = kStackBytes;
        context_.uc_link = &caller_;
        const auto self = reinterpret_cast<uintptr_t>(this);
        makecontext(&context_, reinterpret_cast<void (*)()>(&Fiber::Enter), 2, unsigned(self >> 32), unsigned(self));
    }
    Fiber(const Fiber&) = delete;

    void Resume() { swapcontext(&caller_, &context_); }
    void Suspend() { swapcontext(&context_, &caller_); }
    bool Done() const { return done_; }

private:
    static constexpr size_t kStackBytes = 1 << 20;

    static void Enter(unsigned high, unsigned low) {
        auto* self = reinterpret_cast<Fiber*>((uintptr_t(high) << 32) | low);
        self->body_();
        self->done_ = true;
    }

    std::function<void()> body_;
    std::unique_ptr<char[]> stack_;
    ucontext_t context_, caller_;
    bool done_ = false;
};

}  // namespace ascendc_sim
