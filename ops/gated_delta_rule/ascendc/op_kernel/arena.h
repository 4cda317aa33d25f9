// Buffers of one on-chip memory, laid out by hand: what is used at different times may share its place.

#pragma once

#include "matrix.h"

namespace sfm {

template <TPosition position>
class Arena {
public:
    __aicore__ inline void Init(TPipe& pipe, int32_t num_bytes) { pipe.InitBuffer(memory_, num_bytes); }

    // The next `count` numbers; those after `Mark()` until `Reset(mark)` share their place with what is taken then.
    template <typename T>
    __aicore__ inline LocalTensor<T> Take(int32_t count)
    {
        const int32_t offset = end_;
        end_ += (count * static_cast<int32_t>(sizeof(T)) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        peak_ = peak_ > end_ ? peak_ : end_;
        return memory_.template GetWithOffset<T>(count, offset);
    }

    __aicore__ inline int32_t Mark() const { return end_; }
    __aicore__ inline void Reset(int32_t mark) { end_ = mark; }
    __aicore__ inline int32_t Peak() const { return peak_; }  // the most bytes that were taken at once

private:
    static constexpr int32_t ALIGNMENT = 512;  // a fractal's
    TBuf<position> memory_;
    int32_t end_ = 0, peak_ = 0;
};

// The memories of a core, whole.
struct Memories {
    Arena<TPosition::A1> l1;
    Arena<TPosition::VECCALC> unified;
    Arena<TPosition::CO1> l0c;

    __aicore__ inline void Init(TPipe& pipe, Cube& cube)
    {
        cube.Init(pipe, L0_BYTES / 2, L0_BYTES / 2);
        l1.Init(pipe, L1_BYTES);
        unified.Init(pipe, UNIFIED_BYTES);
        l0c.Init(pipe, L0C_BYTES);
    }
};

}  // namespace sfm
