// The state's way through a prepared group of chunks.
//
//     Y = T (V - diag(since) K S)      O = scale diag(since) Q S + P Y      S' = whole S + (diag(until beta) K)^T Y
//
// Rows are scaled by products with diagonal matrices, which the Cube does while it would wait for the state: nothing else
// stands between two states than K S, T (K S), K^T Y and the sum. The state is fp32 in the unified buffer; the Cube sees it in
// fp16.
//
// A pipe takes its work in order, so one flag serves several buffers whose uses follow from each other:
//     V_MTE3  0: diagonals, state  1: K S, Y, O  2, 3: scaled rows      M_V  0, 1: scaled rows  2: K S, Y, O  3: K^T Y
//     MTE3_MTE1  0: diagonals  1: scaled rows  2: K S, Y  3: state

#pragma once

#include "diagonals.h"
#include "flags.h"
#include "preparation.h"

namespace sfm {

class StatePass {
public:
    __aicore__ inline StatePass(const ForwardProblem& problem, const Prepared& prepared, Cube& cube)
        : problem_(problem), sizes_(problem.sizes), prepared_(prepared), cube_(cube), size_(sizes_.chunk * sizes_.chunk),
          num_keys_(sizes_.chunk * sizes_.key_dim), num_values_(sizes_.chunk * sizes_.value_dim),
          state_size_(sizes_.key_dim * sizes_.value_dim), piece_(state_size_ < MOST_CHANGES ? state_size_ : MOST_CHANGES) {}

    __aicore__ inline void Init(const LocalTensor<float>& state, Arena<TPosition::A1>& l1, Arena<TPosition::VECCALC>& ub,
                                Arena<TPosition::CO1>& l0c)
    {
        state_ = state;
        InitCubeSide(l1, l0c);
        identity_ = ub.Take<half>(FRACTAL_SIZE);
        rows_ = ub.Take<half>(sizes_.chunks_per_group * NUM_FACTORS * sizes_.chunk);
        whole_ = ub.Take<float>(sizes_.chunks_per_group * BLOCK_FLOATS);
        diagonals_.Init(sizes_, NUM_FORWARD_FACTORS, 2, l1, ub);
        half_state_ = ub.Take<half>(state_size_);
        change_ = ub.Take<float>(piece_);
        half_scaled_[0] = ub.Take<half>(num_keys_);
        half_scaled_[1] = ub.Take<half>(num_keys_);
        half_values_ = ub.Take<half>(num_values_ > size_ ? num_values_ : size_);
        half_out_ = ub.Take<half>(num_values_);
    }

    // Once, before the first group.
    __aicore__ inline void Clear()
    {
        Duplicate(half_values_, static_cast<half>(0), size_);
        PipeBarrier<PIPE_ALL>();
        diagonals_.Clear(half_values_);
        PipeBarrier<PIPE_ALL>();
    }

    // Chunks first .. first + count of a sequence. All pipes are idle before and after.
    __aicore__ inline void Run(int32_t sequence, int32_t first, int32_t count)
    {
        SetBoth<HardEvent::MTE1_MTE2>();
        SetBoth<HardEvent::V_M>();
        SetBoth<HardEvent::MTE3_V>();
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
            UpdateState(index);
            if (index + 1 < count) {
                SendState(sequence, first + index + 1);
            }
        }
        WaitForBoth<HardEvent::MTE1_MTE2>();
        WaitForBoth<HardEvent::V_M>();
        WaitForBoth<HardEvent::MTE3_V>();
        PipeBarrier<PIPE_ALL>();
    }

private:
    static constexpr int32_t MOST_CHANGES = 64 * 128;  // of the state that are added at once

    __aicore__ inline void InitCubeSide(Arena<TPosition::A1>& l1, Arena<TPosition::CO1>& l0c)
    {
        for (int32_t slot = 0; slot < 2; ++slot) {
            q_[slot] = l1.Take<half>(num_keys_);
            k_[slot] = l1.Take<half>(num_keys_);
            v_[slot] = l1.Take<half>(num_values_);
            scaled_[slot] = l1.Take<half>(NUM_FORWARD_FACTORS * num_keys_);
            scaled_results_[slot] = l0c.Take<float>(num_keys_);
        }
        cube_state_ = l1.Take<half>(state_size_);
        read_ = l1.Take<half>(num_values_);
        y_ = l1.Take<half>(num_values_);
        read_result_ = l0c.Take<float>(num_values_);
        y_result_ = l0c.Take<float>(num_values_);
        out_result_ = l0c.Take<float>(num_values_);
        change_result_ = l0c.Take<float>(state_size_);
    }

    __aicore__ inline void Start(int32_t sequence, int32_t first, int32_t count)
    {
        const int64_t chunk = problem_.Chunk(sequence, first);
        DataCopy(identity_, problem_.identity, FRACTAL_SIZE);
        DataCopy(rows_, problem_.factors[chunk * NUM_FACTORS * sizes_.chunk], count * NUM_FACTORS * sizes_.chunk);
        DataCopy(whole_, problem_.whole[chunk * BLOCK_FLOATS], count * BLOCK_FLOATS);
        PipeBarrier<PIPE_ALL>();
        BuildDiagonals(0);
        Load(sequence, first, 0);
        Scale(0);
        PipeBarrier<PIPE_ALL>();
        if (count > 1) {
            BuildDiagonals(1);
        }
        PipeBarrier<PIPE_ALL>();
        SendState(sequence, first);
    }

    __aicore__ inline void Load(int32_t sequence, int32_t chunk, int32_t slot)
    {
        const int32_t token = chunk * sizes_.chunk;
        const int64_t row = problem_.Row(sequence, token, sizes_.key_dim);
        WaitFlag<HardEvent::MTE1_MTE2>(slot);
        LoadRows(k_[slot], problem_.k[row], sizes_, sizes_.key_dim);
        LoadRows(q_[slot], problem_.q[row], sizes_, sizes_.key_dim);
        LoadRows(v_[slot], problem_.v[problem_.Row(sequence, token, sizes_.value_dim)], sizes_, sizes_.value_dim);
        SetFlag<HardEvent::MTE2_MTE1>(slot);
    }

    __aicore__ inline void BuildDiagonals(int32_t index)
    {
        diagonals_.Build(identity_, rows_[index * NUM_FACTORS * sizes_.chunk]);
        SetFlag<HardEvent::V_MTE3>(0);
        WaitFlag<HardEvent::V_MTE3>(0);
        diagonals_.Send(index % 2);
        SetFlag<HardEvent::MTE3_MTE1>(0);
    }

    // The rows of K, K and Q times the diagonals.
    __aicore__ inline void Scale(int32_t slot)
    {
        WaitFlag<HardEvent::MTE2_MTE1>(slot);
        WaitFlag<HardEvent::MTE3_MTE1>(0);
        for (int32_t which = 0; which < NUM_FORWARD_FACTORS; ++which, turn_ = 1 - turn_) {
            const Matrix rows(which == QUERIES ? q_[slot] : k_[slot], sizes_.chunk, sizes_.key_dim);
            WaitFlag<HardEvent::V_M>(turn_);
            cube_.Multiply(scaled_results_[turn_], diagonals_.Of(slot, static_cast<Factor>(which)), rows);
            SetFlag<HardEvent::M_V>(turn_);
            WaitFlag<HardEvent::M_V>(turn_);
            WaitFlag<HardEvent::MTE3_V>(turn_);
            FromCube(half_scaled_[turn_], scaled_results_[turn_], num_keys_);
            SetFlag<HardEvent::V_M>(turn_);
            SetFlag<HardEvent::V_MTE3>(2 + turn_);
            WaitFlag<HardEvent::V_MTE3>(2 + turn_);
            DataCopy(scaled_[slot][which * num_keys_], half_scaled_[turn_], num_keys_);
            SetFlag<HardEvent::MTE3_V>(turn_);
        }
        SetFlag<HardEvent::MTE3_MTE1>(1);
    }

    __aicore__ inline Matrix Scaled(int32_t index, Factor which) const
    {
        return Matrix(scaled_[index % 2][which * num_keys_], sizes_.chunk, sizes_.key_dim);
    }

    // -diag(since) K S on to L1; meanwhile T V, and the queries' product with the state.
    __aicore__ inline void ReadState(int32_t index)
    {
        const Matrix state(cube_state_, sizes_.key_dim, sizes_.value_dim), v(v_[index % 2], sizes_.chunk, sizes_.value_dim);
        WaitFlag<HardEvent::MTE3_MTE1>(1);
        WaitFlag<HardEvent::MTE3_MTE1>(3);
        cube_.Multiply(read_result_, Scaled(index, KEYS_READ), state);
        SetFlag<HardEvent::M_V>(2);
        cube_.Multiply(y_result_, prepared_.Of(prepared_.t_high, index), v);
        cube_.Multiply(y_result_, prepared_.Of(prepared_.t_low, index), v, true);
        cube_.Multiply(out_result_, Scaled(index, QUERIES), state);
        SetFlag<HardEvent::MTE1_MTE2>(index % 2);
        SendValues(read_, read_result_);
    }

    // Y = T (V - diag(since) K S), on to L1.
    __aicore__ inline void Correct(int32_t sequence, int32_t chunk, int32_t index)
    {
        const Matrix read(read_, sizes_.chunk, sizes_.value_dim);
        WaitFlag<HardEvent::MTE3_MTE1>(2);
        cube_.Multiply(y_result_, prepared_.Of(prepared_.t_high, index), read, true);
        cube_.Multiply(y_result_, prepared_.Of(prepared_.t_low, index), read, true);
        SetFlag<HardEvent::M_V>(2);
        SendValues(y_, y_result_);
        if (sizes_.keeps) {
            DataCopy(problem_.corrections[problem_.Chunk(sequence, chunk) * num_values_], half_values_, num_values_);
        }
    }

    __aicore__ inline void SendValues(const LocalTensor<half>& to, const LocalTensor<float>& result)
    {
        WaitFlag<HardEvent::M_V>(2);
        FromCube(half_values_, result, num_values_);
        SetFlag<HardEvent::V_MTE3>(1);
        WaitFlag<HardEvent::V_MTE3>(1);
        DataCopy(to, half_values_, num_values_);
        SetFlag<HardEvent::MTE3_MTE1>(2);
    }

    __aicore__ inline void Write(int32_t sequence, int32_t chunk, int32_t index)
    {
        const Matrix y(y_, sizes_.chunk, sizes_.value_dim);
        WaitFlag<HardEvent::MTE3_MTE1>(2);
        cube_.Multiply(out_result_, prepared_.Of(prepared_.p, index), y, true);
        SetFlag<HardEvent::M_V>(2);
        cube_.Multiply(change_result_, Transposed(Scaled(index, KEYS_KEPT)), y);
        SetFlag<HardEvent::M_V>(3);
        WaitFlag<HardEvent::M_V>(2);
        FromCube(half_out_, out_result_, num_values_);
        SetFlag<HardEvent::V_MTE3>(1);
        WaitFlag<HardEvent::V_MTE3>(1);
        const int64_t row = problem_.Row(sequence, chunk * sizes_.chunk, sizes_.value_dim);
        StoreRows(problem_.out[row], half_out_, sizes_, sizes_.value_dim);
    }

    __aicore__ inline void UpdateState(int32_t index)
    {
        WaitFlag<HardEvent::M_V>(3);
        for (int32_t start = 0; start < state_size_; start += piece_) {
            FromCube(change_, change_result_[start], piece_);
            MultiplyByBlock(state_[start], whole_[index * BLOCK_FLOATS], piece_);
            Add(state_[start], state_[start], change_, piece_);
            Settle();
        }
    }

    // The state before a chunk, on to L1.
    __aicore__ inline void SendState(int32_t sequence, int32_t chunk)
    {
        Cast(half_state_, state_, RoundMode::CAST_NONE, state_size_);
        SetFlag<HardEvent::V_MTE3>(0);
        WaitFlag<HardEvent::V_MTE3>(0);
        DataCopy(cube_state_, half_state_, state_size_);
        SetFlag<HardEvent::MTE3_MTE1>(3);
        if (sizes_.keeps) {
            DataCopy(problem_.states[problem_.Chunk(sequence, chunk) * state_size_], half_state_, state_size_);
        }
    }

    const ForwardProblem& problem_;
    const Tiling& sizes_;
    const Prepared& prepared_;
    Cube& cube_;
    const int32_t size_, num_keys_, num_values_, state_size_, piece_;
    int32_t turn_ = 0;
    LocalTensor<half> q_[2], k_[2], v_[2], scaled_[2], cube_state_, read_, y_;           // in L1
    LocalTensor<float> scaled_results_[2], read_result_, y_result_, out_result_, change_result_;       // in L0C
    LocalTensor<float> state_, whole_, change_;                                                        // in the unified buffer
    Diagonals diagonals_;
    LocalTensor<half> identity_, rows_, half_state_, half_scaled_[2], half_values_, half_out_;
};

}  // namespace sfm
