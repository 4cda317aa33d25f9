// The ways between Cube and Vector, which differ between the chips:
//
//                      910                                       910B
//     Cube to Cube     L0C -> UB (V), UB -> L1 (MTE3)            L0C -> L1 (FIX)
//     Cube to Vector   L0C -> UB (V)                             L0C -> GM (FIX), GM -> UB (MTE2)
//     Vector to Cube   UB -> L1 (MTE3)                           UB -> GM (MTE3), GM -> L1 (MTE2)
//     Cube to GM       L0C -> UB (V), UB -> GM (MTE3)            L0C -> GM (FIX)
//
// Products are NZ matrices in L0C, whole fractals of them at a time, and keep that layout.

#pragma once

#include "chip.h"
#include "matrix.h"
#include "tiling.h"

namespace sfm {

// Halves on their way from the Vector to L1.
struct Shipment {
    LocalTensor<half> local;    // on the 910
    GlobalTensor<half> global;  // on the 910B

    __aicore__ inline void Unload(const LocalTensor<half>& to, int32_t start, const DataCopyParams& copy) const
    {
#if __CCE_AICORE__ == 220
        if (HasCube()) {
            DataCopy(to, global[start], copy);
        }
#else
        DataCopy(to, local[start], copy);
#endif
    }
    __aicore__ inline void Unload(const LocalTensor<half>& to, int32_t start, int32_t count) const
    {
        Unload(to, start, DataCopyParams(1, count * sizeof(half) / BLOCK, 0, 0));
    }
};

#if __CCE_AICORE__ == 220

// Two places in global memory for each direction, which take turns. Cores count: of what was put there, and of what was taken.
class Paths {
public:
    __aicore__ inline void Init(GM_ADDR workspace)
    {
        GM_ADDR start = GetUserWorkspace(workspace) + BlockIndex() * PATHS_BYTES;
        for (int32_t turn = 0; turn < 2; ++turn) {
            products_[turn] = start + turn * PRODUCT_BYTES;
            shipments_[turn] = start + 2 * PRODUCT_BYTES + turn * SHIPMENT_BYTES;
        }
    }

    // At the very end: all has been taken.
    __aicore__ inline void Stop()
    {
        for (int32_t i = 0; i < 2; ++i) {
            if (HasCube() && i < num_products_) {
                CrossCoreWaitFlag(PRODUCT_TAKEN);
            }
            if (HasVector() && i < num_shipments_) {
                CrossCoreWaitFlag(SHIPMENT_TAKEN);
            }
        }
    }

    // A product, on to the unified buffer of the vector core whose share it is.
    template <typename T>
    __aicore__ inline void ToVector(const LocalTensor<T>& to, const LocalTensor<float>& product, int32_t count, bool is_mine)
    {
        GlobalTensor<T> place;
        place.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(products_[num_products_ % 2]));
        if (HasCube()) {
            if (num_products_ >= 2) {
                CrossCoreWaitFlag(PRODUCT_TAKEN);
            }
            Fixpipe<T, float, CFG_NZ>(place, product, Fractals<T>(count));
            CrossCoreSetFlag<BETWEEN_KINDS, PIPE_FIX>(PRODUCT_PUT);
        } else {
            CrossCoreWaitFlag(PRODUCT_PUT);
            if (is_mine) {
                SetFlag<HardEvent::V_MTE2>(OWN_FLAG);
                WaitFlag<HardEvent::V_MTE2>(OWN_FLAG);
                DataCopy(to, place, count);
                SetFlag<HardEvent::MTE2_V>(OWN_FLAG);
                WaitFlag<HardEvent::MTE2_V>(OWN_FLAG);
            }
            CrossCoreSetFlag<BETWEEN_KINDS, PIPE_MTE2>(PRODUCT_TAKEN);
        }
        ++num_products_;
    }

    // Before a product leaves rounded: the other chip rounds it on to `room` in the unified buffer.
    __aicore__ inline void Round(const LocalTensor<half>& room, const LocalTensor<float>& product, int32_t count, int32_t flag) {}

    // A product, rounded, on to L1.
    __aicore__ inline void ToCube(const Matrix& to, const LocalTensor<float>& product, const LocalTensor<half>& room)
    {
        if (HasCube()) {
            FixpipeParamsV220 copy(to.columns, to.rows, to.rows, to.stride, false);
            copy.quantPre = QuantMode_t::F322F16;
            Fixpipe<half, float, CFG_NZ>(to.data[to.first * FRACTAL_SIZE], product, copy);
        }
    }

    // A product, rounded, as rows in global memory, `stride` numbers apart.
    __aicore__ inline void ToRows(const GlobalTensor<half>& to, const LocalTensor<float>& product, int32_t rows, int32_t columns,
                                  int32_t stride, const LocalTensor<half>& room)
    {
        if (HasCube()) {
            FixpipeParamsV220 copy(columns, rows, rows, stride, false);
            copy.quantPre = QuantMode_t::F322F16;
            Fixpipe<half, float, CFG_ROW_MAJOR>(to, product, copy);
        }
    }

    // Halves of the vector core whose share they are, which V has written and MTE3 may read.
    __aicore__ inline Shipment Ship(const LocalTensor<half>& halves, int32_t count, bool is_mine)
    {
        Shipment shipment;
        shipment.global.SetGlobalBuffer(reinterpret_cast<__gm__ half*>(shipments_[num_shipments_ % 2]));
        if (HasVector()) {
            if (num_shipments_ >= 2) {
                CrossCoreWaitFlag(SHIPMENT_TAKEN);
            }
            if (is_mine) {
                DataCopy(shipment.global, halves, count);
            }
            CrossCoreSetFlag<BETWEEN_KINDS, PIPE_MTE3>(SHIPMENT_PUT);
        } else {
            CrossCoreWaitFlag(SHIPMENT_PUT);
            SetFlag<HardEvent::MTE1_MTE2>(OWN_FLAG);
            WaitFlag<HardEvent::MTE1_MTE2>(OWN_FLAG);
        }
        ++num_shipments_;
        return shipment;
    }

    // After the last `Unload` of a shipment.
    __aicore__ inline void Unloaded()
    {
        if (HasCube()) {
            CrossCoreSetFlag<BETWEEN_KINDS, PIPE_MTE2>(SHIPMENT_TAKEN);
        }
    }

private:
    static constexpr uint8_t BETWEEN_KINDS = 2;  // a flag from the Cube core reaches both vector cores; one to it waits for both
    static constexpr uint16_t PRODUCT_PUT = 0, PRODUCT_TAKEN = 1, SHIPMENT_PUT = 2, SHIPMENT_TAKEN = 3;
    static constexpr int32_t OWN_FLAG = 7;  // of the eight for a pair of pipes

    template <typename T>
    static __aicore__ inline FixpipeParamsV220 Fractals(int32_t count)
    {
        FixpipeParamsV220 copy(count / FRACTAL, FRACTAL, FRACTAL, FRACTAL * FRACTAL * sizeof(T) / BLOCK, false);
        copy.quantPre = sizeof(T) == sizeof(half) ? QuantMode_t::F322F16 : QuantMode_t::NoQuant;
        return copy;
    }

    GM_ADDR products_[2];
    GM_ADDR shipments_[2];
    int32_t num_products_ = 0, num_shipments_ = 0;
};

#else

// What a product left in L0C, in the unified buffer, rounded if `to` holds halves. It runs on the vector pipe.
template <typename T>
__aicore__ inline void FromCube(const LocalTensor<T>& to, const LocalTensor<float>& result, int32_t count)
{
    DataCopyEnhancedParams fractals;
    fractals.blockMode = BlockMode::BLOCK_MODE_MATRIX;
    DataCopy(to, result, DataCopyParams(1, count / FRACTAL_SIZE, 0, 0), fractals);
}

class Paths {
public:
    __aicore__ inline void Init(GM_ADDR) {}
    __aicore__ inline void Stop() {}

    template <typename T>
    __aicore__ inline void ToVector(const LocalTensor<T>& to, const LocalTensor<float>& product, int32_t count, bool)
    {
        FromCube(to, product, count);
    }

    __aicore__ inline void Round(const LocalTensor<half>& room, const LocalTensor<float>& product, int32_t count, int32_t flag)
    {
        FromCube(room, product, count);
        SetFlag<HardEvent::V_MTE3>(flag);
        WaitFlag<HardEvent::V_MTE3>(flag);
    }

    __aicore__ inline void ToCube(const Matrix& to, const LocalTensor<float>&, const LocalTensor<half>& room)
    {
        const DataCopyParams copy(to.columns / FRACTAL, to.rows, 0, to.stride - to.rows);
        DataCopy(to.data[to.first * FRACTAL_SIZE], room, copy);
    }

    __aicore__ inline void ToRows(const GlobalTensor<half>& to, const LocalTensor<float>&, int32_t rows, int32_t columns,
                                  int32_t stride, const LocalTensor<half>& room)
    {
        const uint16_t gap = (stride - FRACTAL) * sizeof(half) / BLOCK;
        for (int32_t column = 0; column < columns; column += FRACTAL) {
            DataCopy(to[column], room[column * rows], DataCopyParams(rows, 1, 0, gap));
        }
    }

    __aicore__ inline Shipment Ship(const LocalTensor<half>& halves, int32_t, bool)
    {
        Shipment shipment;
        shipment.local = halves;
        return shipment;
    }
    __aicore__ inline void Unloaded() {}
};

#endif

}  // namespace sfm
