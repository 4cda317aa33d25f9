// The state's way through a prepared group of chunks.
//
//     Y = T (V - diag(since) K S)      O = diag(since) Q S + P Y      S' = whole S + (diag(until beta) K)^T Y
//
// Rows are scaled by products with diagonal matrices, which the Cube does while it would wait for the state: nothing else
// stands between two states than K S, T (K S), K^T Y and the sum. The state is fp32 in the unified buffer; the Cube sees it in
// fp16. What Y writes goes to the Cube as the sum of two halves: with nearly equal keys and beta near 2 nothing damps its errors.
//
// A pipe takes its work in order, so one flag serves several buffers whose uses follow from each other:
//     FROM_CUBE  0: scaled rows  1: K S, Y        FROM_VECTOR  2: diagonals  3: state
//     PRODUCT_FREE  2: Y        V_MTE3  2: Y, O  3: diagonals, state        MTE3_V  2: state
// Flags 0 and 1 of the others are those of Products and of slots, 2 and 3 of PRODUCT_DONE those of Order.

#pragma once

#include "diagonals.h"
#include "flags.h"
#include "preparation.h"
#include "products.h"
#include "state.h"

namespace sfm {

class StatePass {
public:
    __aicore__ inline StatePass(const ForwardProblem& problem, const Prepared& prepared, const State& state, Cube& cube,
                                Paths& paths)
        : problem_(problem), sizes_(problem.sizes), prepared_(prepared), state_(state), cube_(cube), paths_(paths),
          products_(cube, paths, order_), size_(sizes_.chunk * sizes_.chunk), num_keys_(sizes_.chunk * sizes_.key_dim),
          num_values_(sizes_.chunk * sizes_.value_dim), state_size_(sizes_.key_dim * sizes_.value_dim) {}

    __aicore__ inline void Init(Arena<TPosition::A1>& l1, Arena<TPosition::VECCALC>& ub, Arena<TPosition::CO1>& l0c)
    {
        for (int32_t slot = 0; slot < 2; ++slot) {
            q_[slot] = l1.Take<half>(num_keys_);
            k_[slot] = l1.Take<half>(num_keys_);
            v_[slot] = l1.Take<half>(num_values_);
            scaled_[slot] = l1.Take<half>(NUM_SCALED * num_keys_);
            y_[slot] = l1.Take<half>(num_values_);
        }
        cube_state_ = l1.Take<half>(state_size_);
        read_ = l1.Take<half>(num_values_);
        y_product_ = l0c.Take<float>(num_values_);
        out_product_ = l0c.Take<float>(num_values_);
        const int32_t most = num_keys_ > num_values_ ? num_keys_ : num_values_;
        products_.Init(most > state_.size ? most : state_.size, most, l0c, ub);
        identity_ = ub.Take<half>(FRACTAL_SIZE);
        factors_ = ub.Take<half>(sizes_.chunks_per_group * NUM_FACTORS * sizes_.chunk);
        diagonals_.Init(sizes_, NUM_SCALED, l1, ub);
        half_state_ = ub.Take<half>(state_.NumOwn() * state_.size);
        change_ = ub.Take<float>(state_.size);
        half_y_ = ub.Take<half>(num_values_ > size_ ? num_values_ : size_);
        half_out_ = ub.Take<half>(num_values_);
    }

    // Once, before the first group.
    __aicore__ inline void Clear() { diagonals_.Clear(half_y_, paths_); }

    // Chunks first .. first + count of a sequence. All pipes are idle before and after.
    __aicore__ inline void Run(int32_t sequence, int32_t first, int32_t count)
    {
        sequence_ = sequence;
        first_ = first;
        count_ = count;
        RaiseBoth<HardEvent::MTE1_MTE2>();
        Raise<HardEvent::MTE3_V>(2);
        products_.Start();
        Begin();
        for (int32_t index = 0; index < count; ++index) {
            const bool has_next = index + 1 < count;
            if (has_next) {
                Load(index + 1);
            }
            ReadState(index);
            Correct(index);
            if (has_next) {
                Scale(index + 1);
                BuildDiagonals(index + 2);
            }
            CorrectFurther(index);
            PutOut(index);
            UpdateState(index);
            if (has_next) {
                SendState(index + 1);
            }
        }
        AwaitBoth<HardEvent::MTE1_MTE2>();
        Await<HardEvent::MTE3_V>(2);
        products_.Stop();
        PipeBarrier<PIPE_ALL>();
    }

private:
    static constexpr int32_t NUM_SCALED = 3;  // rows of keys and queries, by the first factors

    __aicore__ inline Matrix Keys(const LocalTensor<half>& data) const { return Matrix(data, sizes_.chunk, sizes_.key_dim); }
    __aicore__ inline Matrix Values(const LocalTensor<half>& data) const { return Matrix(data, sizes_.chunk, sizes_.value_dim); }
    __aicore__ inline Matrix StateMatrix() const { return Matrix(cube_state_, sizes_.key_dim, sizes_.value_dim); }
    __aicore__ inline Matrix Scaled(int32_t index, Factor which) const { return Keys(scaled_[index % 2][which * num_keys_]); }
    __aicore__ inline Halves Inverse(int32_t index) const
    {
        return Halves(prepared_.Of(prepared_.high, index), prepared_.Of(prepared_.low, index));
    }
    __aicore__ inline int64_t Number(int32_t index) const { return problem_.Chunk(sequence_, first_ + index); }
    __aicore__ inline int64_t Row(int32_t index, int32_t dim) const
    {
        return problem_.Row(sequence_, (first_ + index) * sizes_.chunk, dim);
    }

    __aicore__ inline void Begin()
    {
        if (HasVector()) {
            DataCopy(identity_, problem_.minus_identity, FRACTAL_SIZE);
            DataCopy(factors_, problem_.factors[Number(0) * NUM_FACTORS * sizes_.chunk], count_ * NUM_FACTORS * sizes_.chunk);
        }
        PipeBarrier<PIPE_ALL>();
        if (HasVector()) {
            Muls(identity_, identity_, static_cast<half>(-1), FRACTAL_SIZE);
            Settle();
        }
        BuildDiagonals(0);
        Load(0);
        Scale(0);
        BuildDiagonals(1);
        SendState(0);
    }

    __aicore__ inline void Load(int32_t index)
    {
        const int32_t slot = index % 2;
        Await<HardEvent::MTE1_MTE2>(slot);
        LoadRows(k_[slot], problem_.k[Row(index, sizes_.key_dim)], sizes_, sizes_.key_dim);
        LoadRows(q_[slot], problem_.q[Row(index, sizes_.key_dim)], sizes_, sizes_.key_dim);
        LoadRows(v_[slot], problem_.v[Row(index, sizes_.value_dim)], sizes_, sizes_.value_dim);
        Raise<HardEvent::MTE2_MTE1>(slot);
    }

    __aicore__ inline void BuildDiagonals(int32_t index)
    {
        if (index < count_) {
            diagonals_.Build(identity_, factors_[index * NUM_FACTORS * sizes_.chunk]);
            Raise<HardEvent::V_MTE3>(3);
            Await<HardEvent::V_MTE3>(3);
            diagonals_.Send(paths_);
            Raise<FROM_VECTOR>(2);
        }
    }

    // The rows of K, K and Q times the diagonals.
    __aicore__ inline void Scale(int32_t index)
    {
        const int32_t slot = index % 2;
        Await<HardEvent::MTE2_MTE1>(slot);
        Await<FROM_VECTOR>(2);
        for (const Factor which : {KEYS_READ, KEYS_WRITTEN, QUERIES}) {
            cube_.Multiply(products_.Claim(), diagonals_.Of(which), Keys(which == QUERIES ? q_[slot] : k_[slot]));
            products_.Send(Scaled(index, which));
        }
        Raise<FROM_CUBE>(0);
    }

    // -diag(since) K S on to L1; meanwhile T V, and the queries' product with the state.
    __aicore__ inline void ReadState(int32_t index)
    {
        Await<FROM_CUBE>(0);
        Await<FROM_VECTOR>(3);
        cube_.Multiply(products_.Claim(), Scaled(index, KEYS_READ), StateMatrix());
        products_.Send(Values(read_));
        Raise<FROM_CUBE>(1);
        cube_.Multiply(y_product_, Inverse(index), Values(v_[index % 2]));
        cube_.Multiply(out_product_, Scaled(index, QUERIES), StateMatrix());
        Raise<HardEvent::MTE1_MTE2>(index % 2);
    }

    // Y = T (V - diag(since) K S), its high half on to L1.
    __aicore__ inline void Correct(int32_t index)
    {
        Await<FROM_CUBE>(1);
        cube_.Multiply(y_product_, Inverse(index), Values(read_), true);
        order_.Then<PRODUCT_DONE>();
        paths_.Round(half_y_, y_product_, num_values_, 2);
        paths_.ToCube(Values(y_[0]), y_product_, half_y_);
        Raise<FROM_CUBE>(1);
        if (STORES_FROM_CUBE) {
            KeepCorrections(index);  // before the low half takes its place in L0C
        }
        Raise<PRODUCT_FREE>(2);
    }

    // Its low half. The high one is also kept for the gradient.
    __aicore__ inline void CorrectFurther(int32_t index)
    {
        Await<PRODUCT_FREE>(2);
        Await<FROM_CUBE>(1);
        cube_.Subtract(y_product_, Values(y_[0]));
        order_.Then<PRODUCT_DONE>();
        products_.Round(Values(y_[1]), y_product_);
        Raise<FROM_CUBE>(1);
        for (int32_t piece = 1; piece < state_.count; ++piece) {
            KeepState(index, piece);
        }
        Raise<HardEvent::MTE3_V>(2);
        if (!STORES_FROM_CUBE) {
            KeepCorrections(index);  // when nothing waits for MTE3
        }
    }

    __aicore__ inline void KeepCorrections(int32_t index)
    {
        paths_.ToGlobal(problem_.corrections[Number(index) * num_values_], y_product_, num_values_, half_y_);
    }

    __aicore__ inline void PutOut(int32_t index)
    {
        cube_.Multiply(out_product_, prepared_.Of(prepared_.p, index), Values(y_[0]), true);
        order_.Then<PRODUCT_DONE>();
        paths_.Round(half_out_, out_product_, num_values_, 2);
        paths_.ToRows(problem_.out[Row(index, sizes_.value_dim)], out_product_, sizes_.chunk, sizes_.value_dim,
                      sizes_.num_heads * sizes_.value_dim, half_out_);
    }

    __aicore__ inline void UpdateState(int32_t index)
    {
        state_.Decay(problem_.whole.GetValue(Number(index)));
        Await<FROM_CUBE>(1);
        for (int32_t piece = 0; piece < state_.count; ++piece) {
            const int32_t column = piece * state_.columns;
            cube_.Multiply(products_.Claim(), Transposed(Scaled(index, KEYS_WRITTEN)), Halves(Columns(y_[0], column), Columns(y_[1], column)));
            products_.Receive(change_, state_.size, IsMine(piece));
            if (IsMine(piece)) {
                state_.Add(piece, change_);
            }
        }
    }

    // A piece's columns of values.
    __aicore__ inline Matrix Columns(const LocalTensor<half>& data, int32_t first) const
    {
        return Values(data).Block(0, first, sizes_.chunk, state_.columns);
    }

    // The state before a chunk, on to L1, and for the gradient on to global memory: a piece at once, the others when MTE3 has
    // time for them.
    __aicore__ inline void SendState(int32_t index)
    {
        Await<HardEvent::MTE3_V>(2);
        for (int32_t piece = 0; piece < state_.count; ++piece) {
            if (IsMine(piece)) {
                Cast(HalfState(piece), state_.Piece(piece), RoundMode::CAST_NONE, state_.size);
            }
            Raise<HardEvent::V_MTE3>(3);
            Await<HardEvent::V_MTE3>(3);
            const Shipment shipment = paths_.Ship(HalfState(piece), state_.size, IsMine(piece));
            shipment.Unload(cube_state_[piece * state_.size], 0, state_.size);
            paths_.Unloaded();
        }
        Raise<FROM_VECTOR>(3);
        KeepState(index, 0);
    }

    __aicore__ inline void KeepState(int32_t index, int32_t piece)
    {
        if (IsMine(piece)) {
            DataCopy(problem_.states[Number(index) * state_size_ + piece * state_.size], HalfState(piece), state_.size);
        }
    }

    __aicore__ inline LocalTensor<half> HalfState(int32_t piece) const { return half_state_[piece / NUM_SHARES * state_.size]; }

    const ForwardProblem& problem_;
    const Tiling& sizes_;
    const Prepared& prepared_;
    const State& state_;
    Cube& cube_;
    Paths& paths_;
    Order order_;
    Products products_;
    const int32_t size_, num_keys_, num_values_, state_size_;
    int32_t sequence_ = 0, first_ = 0, count_ = 0;                                 // of the group
    LocalTensor<half> q_[2], k_[2], v_[2], scaled_[2], cube_state_, read_, y_[2];  // in L1; y_: high and low half
    LocalTensor<float> y_product_, out_product_;                                   // in L0C
    Diagonals diagonals_;
    LocalTensor<float> change_;                                                    // in the unified buffer
    LocalTensor<half> identity_, factors_, half_state_, half_y_, half_out_;
};

}  // namespace sfm
