// Flags of two buffers that take turns between two pipes.

#pragma once

#include "kernel_operator.h"

namespace sfm {

using namespace AscendC;

template <HardEvent event>
__aicore__ inline void SetBoth()
{
    SetFlag<event>(0);
    SetFlag<event>(1);
}

template <HardEvent event>
__aicore__ inline void WaitForBoth()
{
    WaitFlag<event>(0);
    WaitFlag<event>(1);
}

// Two buffers that take turns from a producing pipe to a consuming one:
//     const int32_t slot = slots.Claim(); (the producer fills the buffer) slots.Fill(); (the consumer empties it) slots.Free();
template <HardEvent full, HardEvent free>
class TwoSlots {
public:
    __aicore__ inline void Start() { SetBoth<free>(); }
    __aicore__ inline void Stop() { WaitForBoth<free>(); }

    __aicore__ inline int32_t Turn() const { return turn_; }

    __aicore__ inline int32_t Claim()
    {
        WaitFlag<free>(turn_);
        return turn_;
    }

    __aicore__ inline void Fill()
    {
        SetFlag<full>(turn_);
        WaitFlag<full>(turn_);
    }

    __aicore__ inline void Free()
    {
        SetFlag<free>(turn_);
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
        SetFlag<event>(flag_);
        WaitFlag<event>(flag_);
        flag_ = FIRST + LAST - flag_;
    }

private:
    static constexpr int32_t FIRST = 2, LAST = 3;  // of the four that a pair of pipes has on the 910; the others are TwoSlots'
    int32_t flag_ = FIRST;
};

}  // namespace sfm
