// Flags of two buffers that take turns between two pipes.

#pragma once

#include "chip.h"

namespace sfm {

template <HardEvent event>
__aicore__ inline void RaiseBoth()
{
    Raise<event>(0);
    Raise<event>(1);
}

template <HardEvent event>
__aicore__ inline void AwaitBoth()
{
    Await<event>(0);
    Await<event>(1);
}

// Two buffers that take turns from a producing pipe to a consuming one:
//     const int32_t slot = slots.Claim(); (the producer fills the buffer) slots.Fill(); (the consumer empties it) slots.Free();
template <HardEvent full, HardEvent free>
class TwoSlots {
public:
    __aicore__ inline void Start() { RaiseBoth<free>(); }
    __aicore__ inline void Stop() { AwaitBoth<free>(); }

    __aicore__ inline int32_t Turn() const { return turn_; }

    __aicore__ inline int32_t Claim()
    {
        Await<free>(turn_);
        return turn_;
    }

    __aicore__ inline void Fill()
    {
        Raise<full>(turn_);
        Await<full>(turn_);
    }

    __aicore__ inline void Free()
    {
        Raise<free>(turn_);
        turn_ = 1 - turn_;
    }

private:
    int32_t turn_ = 0;
};

// All that a pipe was given so far comes before all that another will be given. Calls take turns among the flags, as one may be
// set again only when it has been waited for.
class Order {
public:
    template <HardEvent event>
    __aicore__ inline void Then()
    {
        Raise<event>(flag_);
        Await<event>(flag_);
        flag_ = FIRST + LAST - flag_;
    }

private:
    static constexpr int32_t FIRST = 2, LAST = 3;  // of the four that a pair of pipes has on the 910; the others are TwoSlots'
    int32_t flag_ = FIRST;
};

}  // namespace sfm
