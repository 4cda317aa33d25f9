// What lanes.h does, alone: inverses of 16 x 16 tiles, 64 at once, and the way of the tiles to lanes and back.

#include "../../../ops/gated_delta_rule/ascendc/op_kernel/chip.h"
#include "../../../ops/gated_delta_rule/ascendc/op_kernel/lanes.h"

namespace sfm {

constexpr int32_t NUM_NUMBERS = TILE_SIZE * LANES;  // of a group of tiles

template <typename T>
__aicore__ inline LocalTensor<T> Buffer(TPipe& pipe, TBuf<TPosition::VECCALC>& buffer, int32_t count)
{
    pipe.InitBuffer(buffer, count * sizeof(T));
    return buffer.Get<T>();
}

template <typename T>
__aicore__ inline GlobalTensor<T> Argument(GM_ADDR address)
{
    GlobalTensor<T> tensor;
    tensor.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(address));
    return tensor;
}

}  // namespace sfm

// strictly_lower, inverses (G, 16, 16, 64) fp32: group g's N and (I - N)^-1, a tile a lane. A core takes whole groups.
extern "C" __global__ __aicore__ void invert_tiles(GM_ADDR strictly_lower, GM_ADDR inverses, GM_ADDR workspace, GM_ADDR tiling)
{
    using namespace sfm;
    if (!HasVector()) {
        return;
    }
    TPipe pipe;
    TBuf<TPosition::VECCALC> lanes_buffer, terms_buffer;
    const LocalTensor<float> lanes = Buffer<float>(pipe, lanes_buffer, NUM_NUMBERS);
    const LocalTensor<float> terms = Buffer<float>(pipe, terms_buffer, MOST_TERMS * LANES);
    const GlobalTensor<float> from = Argument<float>(strictly_lower), to = Argument<float>(inverses);
    const int32_t num_groups = *reinterpret_cast<__gm__ int32_t*>(tiling);
    for (int32_t group = GetBlockIdx(); group < num_groups; group += GetBlockNum() * GetTaskRation()) {
        DataCopy(lanes, from[group * NUM_NUMBERS], NUM_NUMBERS);
        PipeBarrier<PIPE_ALL>();
        InvertLanes(lanes, terms);
        PipeBarrier<PIPE_ALL>();
        DataCopy(to[group * NUM_NUMBERS], lanes, NUM_NUMBERS);
        PipeBarrier<PIPE_ALL>();
    }
}

// tiles (64, 256) -> in_lanes (256, 64) -> back (64, 256), all fp16.
extern "C" __global__ __aicore__ void carry_tiles(GM_ADDR tiles, GM_ADDR in_lanes, GM_ADDR back, GM_ADDR workspace, GM_ADDR tiling)
{
    using namespace sfm;
    if (!HasVector()) {
        return;
    }
    TPipe pipe;
    TBuf<TPosition::VECCALC> tiles_buffer, lanes_buffer;
    const LocalTensor<half> by_tile = Buffer<half>(pipe, tiles_buffer, NUM_NUMBERS);
    const LocalTensor<half> by_lane = Buffer<half>(pipe, lanes_buffer, NUM_NUMBERS);
    DataCopy(by_tile, Argument<half>(tiles), NUM_NUMBERS);
    PipeBarrier<PIPE_ALL>();
    for (int32_t group = 0; group < LANES / TILE; ++group) {
        TilesToLanes(by_lane, by_tile, group);
    }
    PipeBarrier<PIPE_ALL>();
    DataCopy(Argument<half>(in_lanes), by_lane, NUM_NUMBERS);
    for (int32_t group = 0; group < LANES / TILE; ++group) {
        LanesToTiles(by_tile, by_lane, group);
    }
    PipeBarrier<PIPE_ALL>();
    DataCopy(Argument<half>(back), by_tile, NUM_NUMBERS);
}
