// Products on their way from L0C, and numbers of the Vector on their way to L1: by two places in L0C and two rooms in the unified
// buffer, which take turns.

#pragma once

#include "arena.h"
#include "flags.h"
#include "paths.h"

namespace sfm {

// Rows of a matrix in global memory, `stride` numbers apart.
struct Rows {
    GlobalTensor<half> data;
    int32_t stride;
};

class Products {
public:
    __aicore__ inline Products(Cube& cube, Paths& paths, Order& order) : cube_(cube), paths_(paths), order_(order) {}

    // `most` numbers of a product, `most_halves` of what is rounded.
    __aicore__ inline void Init(int32_t most, int32_t most_halves, Arena<TPosition::CO1>& l0c, Arena<TPosition::VECCALC>& ub)
    {
        for (int32_t slot = 0; slot < 2; ++slot) {
            places_[slot] = l0c.Take<float>(most);
            rooms_[slot] = ub.Take<half>(most_halves);
        }
    }

    __aicore__ inline void Start()
    {
        RaiseBoth<PRODUCT_FREE>();
        room_turns_.Start();
    }

    __aicore__ inline void Stop()
    {
        AwaitBoth<PRODUCT_FREE>();
        room_turns_.Stop();
    }

    // Room for halves before the start.
    __aicore__ inline LocalTensor<half> Room() const { return rooms_[0]; }

    // A place for the next product.
    __aicore__ inline LocalTensor<float> Claim()
    {
        const int32_t slot = turn_;
        turn_ = 1 - turn_;
        Await<PRODUCT_FREE>(slot);
        return places_[slot];
    }

    // The product claimed last: as it is, on to the unified buffer.
    __aicore__ inline void Receive(const LocalTensor<float>& to, int32_t count, bool is_mine)
    {
        const int32_t slot = 1 - turn_;
        Complete(slot);
        paths_.ToVector(to, places_[slot], count, is_mine);
        Raise<PRODUCT_FREE>(slot);
        Settle();
    }

    // ... rounded, on to L1.
    __aicore__ inline void Send(const Matrix& to)
    {
        const int32_t slot = 1 - turn_;
        Complete(slot);
        Round(to, places_[slot]);
        Raise<PRODUCT_FREE>(slot);
    }

    // ... as the sum of two halves.
    __aicore__ inline void Send(const Halves& to)
    {
        const int32_t slot = 1 - turn_;
        SendHigh(slot, to);
        order_.Then<FROM_CUBE>();
        cube_.Subtract(places_[slot], to.high.matrix);
        SendLow(slot, to);
    }

    // The two products claimed last, as sums of two halves each. `rows` of global memory get the second one's high half.
    __aicore__ inline void SendTwo(const Halves& first, const Halves& second, const Rows* rows = nullptr)
    {
        SendHigh(turn_, first);
        SendHigh(1 - turn_, second, rows);
        order_.Then<FROM_CUBE>();
        cube_.Subtract(places_[turn_], first.high.matrix);
        cube_.Subtract(places_[1 - turn_], second.high.matrix);
        SendLow(turn_, first);
        SendLow(1 - turn_, second);
    }

    // A product elsewhere in L0C, which is complete: rounded, on to L1, and on to `rows` of global memory.
    __aicore__ inline void Round(const Matrix& to, const LocalTensor<float>& product, const Rows* rows = nullptr)
    {
        const LocalTensor<half> room = rooms_[room_turns_.Claim()];
        paths_.Round(room, product, to.rows * to.columns, room_turns_.Turn());
        paths_.ToCube(to, product, room);
        if (rows != nullptr) {
            paths_.ToRows(rows->data, product, to.rows, to.columns, rows->stride, room);
        }
        room_turns_.Free();
    }

    // ... rounded, on to rows of global memory only.
    __aicore__ inline void Store(const Rows& rows, const Matrix& shape, const LocalTensor<float>& product)
    {
        const LocalTensor<half> room = rooms_[room_turns_.Claim()];
        paths_.Round(room, product, shape.rows * shape.columns, room_turns_.Turn());
        paths_.ToRows(rows.data, product, shape.rows, shape.columns, rows.stride, room);
        room_turns_.Free();
    }

    // Numbers of the Vector, rounded, on to L1. The halves stay where they are until their room is claimed once more.
    __aicore__ inline LocalTensor<half> Upload(const LocalTensor<half>& to, const LocalTensor<float>& x, int32_t count,
                                               bool is_mine)
    {
        const LocalTensor<half> room = rooms_[room_turns_.Claim()];
        if (is_mine) {
            Cast(room, x, RoundMode::CAST_NONE, count);
            Settle();
        }
        room_turns_.Fill();
        paths_.Ship(room, count, is_mine).Unload(to, 0, count);
        paths_.Unloaded();
        room_turns_.Free();
        order_.Then<FROM_VECTOR>();
        return room;
    }

    // ... as the sum of two halves, one after the other. `x` is lost.
    __aicore__ inline void UploadBoth(const LocalTensor<half>& to, const LocalTensor<float>& x, const LocalTensor<float>& rounded,
                                      int32_t count, bool is_mine)
    {
        const LocalTensor<half> high = Upload(to, x, count, is_mine);
        if (is_mine) {
            Cast(rounded, high, RoundMode::CAST_NONE, count);
            Settle();
            Sub(x, x, rounded, count);
            Settle();
        }
        Upload(to[count], x, count, is_mine);
    }

private:
    // Its product.
    __aicore__ inline void Complete(int32_t slot)
    {
        Raise<PRODUCT_DONE>(slot);
        Await<PRODUCT_DONE>(slot);
    }

    __aicore__ inline void SendHigh(int32_t slot, const Halves& to, const Rows* rows = nullptr)
    {
        Complete(slot);
        Round(to.high.matrix, places_[slot], rows);
    }

    // When the high half has been subtracted.
    __aicore__ inline void SendLow(int32_t slot, const Halves& to)
    {
        Complete(slot);
        Round(to.low.matrix, places_[slot]);
        Raise<PRODUCT_FREE>(slot);
    }

    Cube& cube_;
    Paths& paths_;
    Order& order_;
    int32_t turn_ = 0;  // of the places
    TwoSlots<HardEvent::V_MTE3, HardEvent::MTE3_V> room_turns_;
    LocalTensor<float> places_[2];  // in L0C
    LocalTensor<half> rooms_[2];    // in the unified buffer
};

}  // namespace sfm
