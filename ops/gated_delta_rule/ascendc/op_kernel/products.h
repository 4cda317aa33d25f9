// Products on their way from L0C, and numbers of the Vector on their way to L1: by two places in L0C and two rooms in the unified
// buffer, which take turns.

#pragma once

#include "arena.h"
#include "flags.h"
#include "paths.h"

namespace sfm {

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
        place_turns_.Start();
        room_turns_.Start();
    }

    __aicore__ inline void Stop()
    {
        place_turns_.Stop();
        room_turns_.Stop();
    }

    // Room for halves before the start.
    __aicore__ inline LocalTensor<half> Room() const { return rooms_[0]; }

    // A place for the next product.
    __aicore__ inline LocalTensor<float> Claim() { return places_[place_turns_.Claim()]; }

    // The product in the claimed place: as it is, on to the unified buffer.
    __aicore__ inline void Receive(const LocalTensor<float>& to, int32_t count, bool is_mine)
    {
        place_turns_.Fill();
        paths_.ToVector(to, Place(), count, is_mine);
        place_turns_.Free();
        Settle();
    }

    // ... rounded, on to L1.
    __aicore__ inline void Send(const Matrix& to)
    {
        place_turns_.Fill();
        Round(to, Place());
        place_turns_.Free();
    }

    // ... as the sum of two halves.
    __aicore__ inline void Send(const Halves& to)
    {
        place_turns_.Fill();
        Round(to.high.matrix, Place());
        SendLow(to);
    }

    // ... and the high one also on to rows in global memory, `stride` numbers apart.
    __aicore__ inline void Send(const Halves& to, const GlobalTensor<half>& rows, int32_t stride)
    {
        place_turns_.Fill();
        const Matrix& high = to.high.matrix;
        const LocalTensor<half> room = rooms_[room_turns_.Claim()];
        paths_.Round(room, Place(), high.rows * high.columns, room_turns_.Turn());
        paths_.ToCube(high, Place(), room);
        paths_.ToRows(rows, Place(), high.rows, high.columns, stride, room);
        room_turns_.Free();
        SendLow(to);
    }

    // A product elsewhere in L0C, which is complete: rounded, on to L1.
    __aicore__ inline void Round(const Matrix& to, const LocalTensor<float>& product)
    {
        const LocalTensor<half> room = rooms_[room_turns_.Claim()];
        paths_.Round(room, product, to.rows * to.columns, room_turns_.Turn());
        paths_.ToCube(to, product, room);
        room_turns_.Free();
    }

    // ... rounded, on to rows in global memory.
    __aicore__ inline void Store(const GlobalTensor<half>& to, const LocalTensor<float>& product, int32_t rows, int32_t columns,
                                 int32_t stride)
    {
        const LocalTensor<half> room = rooms_[room_turns_.Claim()];
        paths_.Round(room, product, rows * columns, room_turns_.Turn());
        paths_.ToRows(to, product, rows, columns, stride, room);
        room_turns_.Free();
    }

    // Numbers of the Vector, rounded, on to L1. The halves stay where they are until their room is claimed once more.
    __aicore__ inline LocalTensor<half> Upload(const LocalTensor<half>& to, const LocalTensor<float>& x, int32_t count, bool is_mine)
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
    __aicore__ inline LocalTensor<float> Place() const { return places_[place_turns_.Turn()]; }

    __aicore__ inline void SendLow(const Halves& to)
    {
        order_.Then<FROM_CUBE>();
        cube_.Subtract(Place(), to.high.matrix);
        order_.Then<PRODUCT_DONE>();
        Round(to.low.matrix, Place());
        place_turns_.Free();
    }

    Cube& cube_;
    Paths& paths_;
    Order& order_;
    TwoSlots<PRODUCT_DONE, PRODUCT_FREE> place_turns_;
    TwoSlots<HardEvent::V_MTE3, HardEvent::MTE3_V> room_turns_;
    LocalTensor<float> places_[2];  // in L0C
    LocalTensor<half> rooms_[2];    // in the unified buffer
};

}  // namespace sfm
