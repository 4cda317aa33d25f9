// The state's way through a prepared group of chunks.
//
//     Y = T (V - diag(since) K S)      O = diag(since) Q S + P Y      S' = whole S + (diag(until beta) K)^T Y
//
// Rows are scaled by products with diagonal matrices, which the Cube does while it would wait for the state: nothing else
// stands between two states than K S, T (K S), K^T Y and the sum. The state is fp32 in the unified buffer; the Cube sees it in
// fp16.
//
// A pipe takes its work in order, so one flag serves several buffers whose uses follow from each other:
//     FROM_CUBE  0: scaled rows  1: K S, Y        FROM_VECTOR  2: diagonals  3: state        PRODUCT_DONE  2: Y, O
//     V_MTE3  0: diagonals, state  1: Y, O  2, 3: scaled rows, K S        MTE3_V  0, 1: scaled rows, K S  2: state

#pragma once

#include "diagonals.h"
#include "flags.h"
#include "preparation.h"
#include "state.h"

namespace sfm {

class StatePass {
public:
    __aicore__ inline StatePass(const ForwardProblem& problem, const Prepared& prepared, const State& state, Cube& cube,
                                Paths& paths)
        : problem_(problem), sizes_(problem.sizes), prepared_(prepared), state_(state), cube_(cube), paths_(paths),
          size_(sizes_.chunk * sizes_.chunk), num_keys_(sizes_.chunk * sizes_.key_dim),
          num_values_(sizes_.chunk * sizes_.value_dim), state_size_(sizes_.key_dim * sizes_.value_dim) {}

    __aicore__ inline void Init(Arena<TPosition::A1>& l1, Arena<TPosition::VECCALC>& ub, Arena<TPosition::CO1>& l0c)
    {
        InitCubeSide(l1, l0c);
        identity_ = ub.Take<half>(FRACTAL_SIZE);
        rows_ = ub.Take<half>(sizes_.chunks_per_group * NUM_FACTORS * sizes_.chunk);
        diagonals_.Init(sizes_, NUM_FORWARD_FACTORS, 2, l1, ub);
        half_state_ = ub.Take<half>(state_.NumOwn() * state_.size);
        change_ = ub.Take<float>(state_.size);
        const int32_t most = num_keys_ > num_values_ ? num_keys_ : num_values_;
        room_[0] = ub.Take<half>(most);
        room_[1] = ub.Take<half>(most);
        half_y_ = ub.Take<half>(num_values_ > size_ ? num_values_ : size_);
        half_out_ = ub.Take<half>(num_values_);
    }

    // Once, before the first group.
    __aicore__ inline void Clear() { diagonals_.Clear(half_y_, paths_); }

    // Chunks first .. first + count of a sequence. All pipes are idle before and after.
    __aicore__ inline void Run(int32_t sequence, int32_t first, int32_t count)
    {
        RaiseBoth<HardEvent::MTE1_MTE2>();
        RaiseBoth<HardEvent::MTE3_V>();
        Raise<HardEvent::MTE3_V>(2);
        products_.Start();
        Start(sequence, first, count);
        for (int32_t index = 0; index < count; ++index) {
            if (index + 1 < count) {
                Load(sequence, first + index + 1, (index + 1) % 2);
            }
            ReadState(index);
            if (index + 1 < count) {
                Scale((index + 1) % 2);
            }
            if (index + 2 < count) {
                BuildDiagonals(index + 2);
            }
            Correct(sequence, first + index, index);
            Write(sequence, first + index, index);
            UpdateState(problem_.Chunk(sequence, first + index), index);
            if (index + 1 < count) {
                SendState(problem_.Chunk(sequence, first + index + 1));
            }
        }
        AwaitBoth<HardEvent::MTE1_MTE2>();
        AwaitBoth<HardEvent::MTE3_V>();
        Await<HardEvent::MTE3_V>(2);
        products_.Stop();
        PipeBarrier<PIPE_ALL>();
    }

private:
    __aicore__ inline void InitCubeSide(Arena<TPosition::A1>& l1, Arena<TPosition::CO1>& l0c)
    {
        const int32_t most = num_keys_ > num_values_ ? num_keys_ : num_values_;
        for (int32_t slot = 0; slot < 2; ++slot) {
            q_[slot] = l1.Take<half>(num_keys_);
            k_[slot] = l1.Take<half>(num_keys_);
            v_[slot] = l1.Take<half>(num_values_);
            scaled_[slot] = l1.Take<half>(NUM_FORWARD_FACTORS * num_keys_);
            product_[slot] = l0c.Take<float>(most > state_.size ? most : state_.size);
        }
        cube_state_ = l1.Take<half>(state_size_);
        read_ = l1.Take<half>(num_values_);
        y_ = l1.Take<half>(num_values_);
        y_product_ = l0c.Take<float>(num_values_);
        out_product_ = l0c.Take<float>(num_values_);
    }

    __aicore__ inline void Start(int32_t sequence, int32_t first, int32_t count)
    {
        if (HasVector()) {
            const int64_t chunk = problem_.Chunk(sequence, first);
            DataCopy(identity_, problem_.minus_identity, FRACTAL_SIZE);
            DataCopy(rows_, problem_.factors[chunk * NUM_FACTORS * sizes_.chunk], count * NUM_FACTORS * sizes_.chunk);
        }
        PipeBarrier<PIPE_ALL>();
        if (HasVector()) {
            Muls(identity_, identity_, static_cast<half>(-1), FRACTAL_SIZE);
            Settle();
        }
        BuildDiagonals(0);
        Load(sequence, first, 0);
        Scale(0);
        PipeBarrier<PIPE_ALL>();
        if (count > 1) {
            BuildDiagonals(1);
        }
        PipeBarrier<PIPE_ALL>();
        SendState(problem_.Chunk(sequence, first));
    }

    __aicore__ inline void Load(int32_t sequence, int32_t chunk, int32_t slot)
    {
        const int32_t token = chunk * sizes_.chunk;
        const int64_t row = problem_.Row(sequence, token, sizes_.key_dim);
        Await<HardEvent::MTE1_MTE2>(slot);
        LoadRows(k_[slot], problem_.k[row], sizes_, sizes_.key_dim);
        LoadRows(q_[slot], problem_.q[row], sizes_, sizes_.key_dim);
        LoadRows(v_[slot], problem_.v[problem_.Row(sequence, token, sizes_.value_dim)], sizes_, sizes_.value_dim);
        Raise<HardEvent::MTE2_MTE1>(slot);
    }

    __aicore__ inline void BuildDiagonals(int32_t index)
    {
        diagonals_.Build(identity_, rows_[index * NUM_FACTORS * sizes_.chunk]);
        Raise<HardEvent::V_MTE3>(0);
        Await<HardEvent::V_MTE3>(0);
        diagonals_.Send(index % 2, paths_);
        Raise<FROM_VECTOR>(2);
    }

    // The rows of K, K and Q times the diagonals.
    __aicore__ inline void Scale(int32_t slot)
    {
        Await<HardEvent::MTE2_MTE1>(slot);
        Await<FROM_VECTOR>(2);
        for (int32_t which = 0; which < NUM_FORWARD_FACTORS; ++which) {
            const Matrix rows(which == QUERIES ? q_[slot] : k_[slot], sizes_.chunk, sizes_.key_dim);
            cube_.Multiply(product_[products_.Claim()], diagonals_.Of(slot, static_cast<Factor>(which)), rows);
            SendProduct(scaled_[slot][which * num_keys_], num_keys_);
        }
        Raise<FROM_CUBE>(0);
    }

    // The product in the claimed slot, rounded, on to L1.
    __aicore__ inline void SendProduct(const LocalTensor<half>& to, int32_t count)
    {
        const int32_t slot = products_.Turn();
        products_.Fill();
        Await<HardEvent::MTE3_V>(slot);
        paths_.Round(room_[slot], product_[slot], count, 2 + slot);
        paths_.ToCube(Matrix(to, FRACTAL, count / FRACTAL), product_[slot], room_[slot]);
        Raise<HardEvent::MTE3_V>(slot);
        products_.Free();
    }

    __aicore__ inline Matrix Scaled(int32_t index, Factor which) const
    {
        return Matrix(scaled_[index % 2][which * num_keys_], sizes_.chunk, sizes_.key_dim);
    }

    // -diag(since) K S on to L1; meanwhile T V, and the queries' product with the state.
    __aicore__ inline void ReadState(int32_t index)
    {
        const Matrix state(cube_state_, sizes_.key_dim, sizes_.value_dim), v(v_[index % 2], sizes_.chunk, sizes_.value_dim);
        Await<FROM_CUBE>(0);
        Await<FROM_VECTOR>(3);
        cube_.Multiply(product_[products_.Claim()], Scaled(index, KEYS_READ), state);
        SendProduct(read_, num_values_);
        Raise<FROM_CUBE>(1);
        cube_.Multiply(y_product_, prepared_.Of(prepared_.high, index), v);
        cube_.Multiply(y_product_, prepared_.Of(prepared_.low, index), v, true);
        cube_.Multiply(out_product_, Scaled(index, QUERIES), state);
        Raise<HardEvent::MTE1_MTE2>(index % 2);
    }

    // Y = T (V - diag(since) K S), on to L1.
    __aicore__ inline void Correct(int32_t sequence, int32_t chunk, int32_t index)
    {
        const Matrix read(read_, sizes_.chunk, sizes_.value_dim);
        Await<FROM_CUBE>(1);
        cube_.Multiply(y_product_, prepared_.Of(prepared_.high, index), read, true);
        cube_.Multiply(y_product_, prepared_.Of(prepared_.low, index), read, true);
        Raise<PRODUCT_DONE>(2);
        Await<PRODUCT_DONE>(2);
        paths_.Round(half_y_, y_product_, num_values_, 1);
        paths_.ToCube(Matrix(y_, sizes_.chunk, sizes_.value_dim), y_product_, half_y_);
        Raise<FROM_CUBE>(1);
        for (int32_t piece = 1; piece < state_.count; ++piece) {
            KeepState(problem_.Chunk(sequence, chunk), piece);
        }
        Raise<HardEvent::MTE3_V>(2);
        paths_.ToGlobal(problem_.corrections[problem_.Chunk(sequence, chunk) * num_values_], y_product_, num_values_, half_y_);
    }

    __aicore__ inline void Write(int32_t sequence, int32_t chunk, int32_t index)
    {
        Await<FROM_CUBE>(1);
        cube_.Multiply(out_product_, prepared_.Of(prepared_.p, index), Matrix(y_, sizes_.chunk, sizes_.value_dim), true);
        Raise<PRODUCT_DONE>(2);
        Await<PRODUCT_DONE>(2);
        const int64_t row = problem_.Row(sequence, chunk * sizes_.chunk, sizes_.value_dim);
        paths_.Round(half_out_, out_product_, num_values_, 1);
        paths_.ToRows(problem_.out[row], out_product_, sizes_.chunk, sizes_.value_dim, sizes_.num_heads * sizes_.value_dim,
                      half_out_);
    }

    __aicore__ inline void UpdateState(int64_t chunk, int32_t index)
    {
        const Matrix y(y_, sizes_.chunk, sizes_.value_dim);
        for (int32_t piece = 0; piece < state_.count; ++piece) {
            const int32_t slot = products_.Claim();
            cube_.Multiply(product_[slot], Transposed(Scaled(index, KEYS_KEPT)),
                           y.Block(0, piece * state_.columns, sizes_.chunk, state_.columns));
            products_.Fill();
            paths_.ToVector(change_, product_[slot], state_.size, IsMine(piece));
            products_.Free();
            if (IsMine(piece)) {
                Settle();
                state_.Update(piece, problem_.whole.GetValue(chunk), change_);
            }
        }
    }

    // The state before a chunk, on to L1, and for the gradient on to global memory: a piece at once, the others when MTE3 has
    // time for them.
    __aicore__ inline void SendState(int64_t chunk)
    {
        Await<HardEvent::MTE3_V>(2);
        for (int32_t piece = 0; piece < state_.count; ++piece) {
            if (IsMine(piece)) {
                Cast(HalfState(piece), state_.Piece(piece), RoundMode::CAST_NONE, state_.size);
            }
            Raise<HardEvent::V_MTE3>(0);
            Await<HardEvent::V_MTE3>(0);
            const Shipment shipment = paths_.Ship(HalfState(piece), state_.size, IsMine(piece));
            shipment.Unload(cube_state_[piece * state_.size], 0, state_.size);
            paths_.Unloaded();
        }
        Raise<FROM_VECTOR>(3);
        KeepState(chunk, 0);
    }

    __aicore__ inline void KeepState(int64_t chunk, int32_t piece)
    {
        if (IsMine(piece)) {
            DataCopy(problem_.states[chunk * state_size_ + piece * state_.size], HalfState(piece), state_.size);
        }
    }

    __aicore__ inline LocalTensor<half> HalfState(int32_t piece) const { return half_state_[piece / NUM_SHARES * state_.size]; }

    const ForwardProblem& problem_;
    const Tiling& sizes_;
    const Prepared& prepared_;
    const State& state_;
    Cube& cube_;
    Paths& paths_;
    const int32_t size_, num_keys_, num_values_, state_size_;
    TwoSlots<PRODUCT_DONE, PRODUCT_FREE> products_;
    LocalTensor<half> q_[2], k_[2], v_[2], scaled_[2], cube_state_, read_, y_;      // in L1
    LocalTensor<float> product_[2], y_product_, out_product_;                       // in L0C
    Diagonals diagonals_;
    LocalTensor<float> change_;                                                     // in the unified buffer
    LocalTensor<half> identity_, rows_, half_state_, room_[2], half_y_, half_out_;
};

}  // namespace sfm
