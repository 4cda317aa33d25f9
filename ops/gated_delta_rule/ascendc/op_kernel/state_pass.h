// The state's way through a prepared group of chunks.
//
//     Y = T V + (T R) S      O = diag(since) Q S + P Y      S' = whole S + W^T Y
//
// with R = -diag(since) K, which reads, and W = diag(until beta) K, which writes. Rows are scaled by products with diagonal
// matrices. That and T R the Cube does while it would wait for the state: nothing else stands between two states than (T R) S,
// W^T Y and the sum. The state is fp32 in the unified buffer; the Cube sees it in fp16. T R and what Y writes go to the Cube as
// sums of two halves: with nearly equal keys and beta near 2 nothing damps their errors.
//
// A pipe takes its work in order, so one flag serves several buffers whose uses follow from each other:
//     FROM_CUBE  0: R, T R  1: Y        FROM_VECTOR  2: diagonals  3: state        PRODUCT_FREE  2: T R
//     V_MTE3  2: O  3: diagonals, state                               MTE3_V  2: O
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
            writing_[slot] = l1.Take<half>(num_keys_);
            queries_[slot] = l1.Take<half>(num_keys_);
            inverse_reading_[slot] = l1.Take<half>(num_keys_);
            y_[slot] = l1.Take<half>(num_values_);
        }
        reading_ = l1.Take<half>(num_keys_);
        cube_state_ = l1.Take<half>(state_size_);
        const int32_t most = num_keys_ > num_values_ ? num_keys_ : num_values_;
        y_product_ = l0c.Take<float>(num_values_);
        out_product_ = l0c.Take<float>(most);
        products_.Init(most > state_.size ? most : state_.size, most, l0c, ub);
        identity_ = ub.Take<half>(FRACTAL_SIZE);
        factors_ = ub.Take<half>(sizes_.chunks_per_group * NUM_FACTORS * sizes_.chunk);
        diagonals_.Init(sizes_, NUM_SCALED, l1, ub);
        half_state_[0] = ub.Take<half>(state_.NumOwn() * state_.size);
        half_state_[1] = ub.Take<half>(state_.NumOwn() * state_.size);
        change_ = ub.Take<float>(state_.size);
        half_out_ = ub.Take<half>(num_values_ > size_ ? num_values_ : size_);
    }

    // Once, before the first group.
    __aicore__ inline void Clear() { diagonals_.Clear(half_out_, paths_); }

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
            Correct(index);
            if (has_next) {
                ScaleKeys(index + 1);
            }
            CorrectFurther();
            if (has_next) {
                Scale(queries_[(index + 1) % 2], QUERIES, q_[(index + 1) % 2]);
                BuildDiagonals(index + 2);
                MultiplyInverse(index + 1);
            }
            KeepState(index);
            UpdateState(index, has_next);
            AskState(index);
            if (has_next) {
                SendState(index + 1);
            }
            PutOut(index);
        }
        AwaitBoth<HardEvent::MTE1_MTE2>();
        Await<HardEvent::MTE3_V>(2);
        products_.Stop();
        PipeBarrier<PIPE_ALL>();
    }

private:
    static constexpr int32_t NUM_SCALED = 3;  // by so many factors, the first ones

    __aicore__ inline Matrix Keys(const LocalTensor<half>& data) const { return Matrix(data, sizes_.chunk, sizes_.key_dim); }
    __aicore__ inline Matrix Values(const LocalTensor<half>& data) const { return Matrix(data, sizes_.chunk, sizes_.value_dim); }
    __aicore__ inline Matrix StateMatrix() const { return Matrix(cube_state_, sizes_.key_dim, sizes_.value_dim); }
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
        ScaleKeys(0);
        Scale(queries_[0], QUERIES, q_[0]);
        BuildDiagonals(1);
        MultiplyInverse(0);
        SendInverse();
        Await<PRODUCT_FREE>(2);
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

    // R and W.
    __aicore__ inline void ScaleKeys(int32_t index)
    {
        const int32_t slot = index % 2;
        Await<HardEvent::MTE2_MTE1>(slot);
        Await<FROM_VECTOR>(2);
        Scale(reading_, KEYS_READ, k_[slot]);
        Scale(writing_[slot], KEYS_WRITTEN, k_[slot]);
        Raise<FROM_CUBE>(0);
    }

    __aicore__ inline void Scale(const LocalTensor<half>& to, Factor which, const LocalTensor<half>& rows)
    {
        cube_.Multiply(products_.Claim(), diagonals_.Of(which), Keys(rows));
        products_.Send(Keys(to));
    }

    // T R, its high half on to L1.
    __aicore__ inline void MultiplyInverse(int32_t index)
    {
        Await<FROM_CUBE>(0);
        cube_.Multiply(out_product_, Inverse(index), Keys(reading_));
        SendHalf(Keys(inverse_reading_[0]), out_product_, 0);
    }

    // Its low half.
    __aicore__ inline void SendInverse()
    {
        SendRest(Keys(inverse_reading_[0]), Keys(inverse_reading_[1]), out_product_, 0);
        Raise<PRODUCT_FREE>(2);
    }

    // A product in a place of its own, rounded, on to L1; then `flag` of FROM_CUBE.
    __aicore__ inline void SendHalf(const Matrix& to, const LocalTensor<float>& product, int32_t flag)
    {
        order_.Then<PRODUCT_DONE>();
        products_.Round(to, product);
        Raise<FROM_CUBE>(flag);
    }

    // What its high half leaves of it.
    __aicore__ inline void SendRest(const Matrix& high, const Matrix& low, const LocalTensor<float>& product, int32_t flag)
    {
        Await<FROM_CUBE>(flag);
        cube_.Subtract(product, high);
        SendHalf(low, product, flag);
    }

    // Y, its high half on to L1.
    __aicore__ inline void Correct(int32_t index)
    {
        cube_.Multiply(y_product_, Inverse(index), Values(v_[index % 2]));
        Raise<HardEvent::MTE1_MTE2>(index % 2);
        Await<FROM_CUBE>(0);
        Await<FROM_VECTOR>(3);
        const Halves reading(Keys(inverse_reading_[0]), Keys(inverse_reading_[1]));
        for (int32_t column = 0; column < sizes_.value_dim; column += state_.columns) {
            const Matrix state = StateMatrix().Block(0, column, sizes_.key_dim, state_.columns);
            cube_.Multiply(y_product_[column * sizes_.chunk], reading, state, true);
        }
        state_.Decay(problem_.whole.GetValue(Number(index)));
        SendHalf(Values(y_[0]), y_product_, 1);
    }

    // Its low half.
    __aicore__ inline void CorrectFurther() { SendRest(Values(y_[0]), Values(y_[1]), y_product_, 1); }

    // O = diag(since) Q S + P Y, where T R was. When the state has been read, the next one may come.
    __aicore__ inline void AskState(int32_t index)
    {
        if (index + 1 < count_) {
            Await<PRODUCT_FREE>(2);
        }
        cube_.Multiply(out_product_, Keys(queries_[index % 2]), StateMatrix());
        order_.Then<READ_BY_CUBE>();
        cube_.Multiply(out_product_, prepared_.Of(prepared_.p, index), Values(y_[0]), true);
    }

    __aicore__ inline void PutOut(int32_t index)
    {
        order_.Then<PRODUCT_DONE>();
        Await<HardEvent::MTE3_V>(2);
        paths_.Round(half_out_, out_product_, num_values_, 2);
        paths_.ToRows(problem_.out[Row(index, sizes_.value_dim)], out_product_, sizes_.chunk, sizes_.value_dim,
                      sizes_.num_heads * sizes_.value_dim, half_out_);
        Raise<HardEvent::MTE3_V>(2);
    }

    // S'. Meanwhile the next chunk's T R.
    __aicore__ inline void UpdateState(int32_t index, bool has_next)
    {
        Await<FROM_CUBE>(1);
        for (int32_t piece = 0; piece < state_.count; ++piece) {
            const int32_t column = piece * state_.columns;
            const Halves y(Columns(y_[0], column), Columns(y_[1], column));
            cube_.Multiply(products_.Claim(), Transposed(Keys(writing_[index % 2])), y);
            products_.Receive(change_, state_.size, IsMine(piece));
            if (IsMine(piece)) {
                state_.Add(piece, change_);
            }
            if (piece == 0 && has_next) {
                SendInverse();
            }
        }
    }

    // A piece's columns of values.
    __aicore__ inline Matrix Columns(const LocalTensor<half>& data, int32_t first) const
    {
        return Values(data).Block(0, first, sizes_.chunk, state_.columns);
    }

    // The state before a chunk, on to L1.
    __aicore__ inline void SendState(int32_t index)
    {
        for (int32_t piece = 0; piece < state_.count; ++piece) {
            if (IsMine(piece)) {
                Cast(HalfState(index, piece), state_.Piece(piece), RoundMode::CAST_NONE, state_.size);
            }
            Raise<HardEvent::V_MTE3>(3);
            Await<HardEvent::V_MTE3>(3);
            const Shipment shipment = paths_.Ship(HalfState(index, piece), state_.size, IsMine(piece));
            shipment.Unload(cube_state_[piece * state_.size], 0, state_.size);
            paths_.Unloaded();
        }
        Raise<FROM_VECTOR>(3);
    }

    // ... and for the gradient on to global memory, when MTE3 has time for it.
    __aicore__ inline void KeepState(int32_t index)
    {
        for (int32_t piece = 0; piece < state_.count; ++piece) {
            if (IsMine(piece)) {
                const int64_t start = Number(index) * state_size_ + piece * state_.size;
                DataCopy(problem_.states[start], HalfState(index, piece), state_.size);
            }
        }
    }

    __aicore__ inline LocalTensor<half> HalfState(int32_t index, int32_t piece) const
    {
        return half_state_[index % 2][piece / NUM_SHARES * state_.size];
    }

    const ForwardProblem& problem_;
    const Tiling& sizes_;
    const Prepared& prepared_;
    const State& state_;
    Cube& cube_;
    Paths& paths_;
    Order order_;
    Products products_;
    const int32_t size_, num_keys_, num_values_, state_size_;
    int32_t sequence_ = 0, first_ = 0, count_ = 0;                                           // of the group
    LocalTensor<half> q_[2], k_[2], v_[2], reading_, writing_[2], queries_[2], cube_state_;  // in L1
    LocalTensor<half> inverse_reading_[2], y_[2];                                            // high and low half
    LocalTensor<float> y_product_, out_product_;  // in L0C; T R takes the second one's place
    Diagonals diagonals_;
    LocalTensor<float> change_;  // in the unified buffer
    LocalTensor<half> identity_, factors_, half_state_[2], half_out_;
};

}  // namespace sfm
