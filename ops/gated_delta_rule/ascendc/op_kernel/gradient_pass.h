// The gradient's way back through a prepared group of chunks.
//
// With dO and dS', the gradients of what a chunk puts out and of the state after it (README.md derives this):
//
//     dY = P^T dO + (until beta K) dS'                        dR = T^T dY = dV
//     dS = whole dS' + (since Q)^T dO - (since K)^T dR
//     dN = strictly_lower(dR Y^T), N = -A                     dP = lower(dO Y^T)
//     a = dN * Gamma     b = dP * Gamma                 dQK = b diag(beta)     dKK = -a diag(beta)
//     dQ = since (dO S^T) + dQK K
//     dK = -since (dR S^T) + until beta (Y dS'^T) + dKK K + dKK^T K + dQK^T Q
//
// The gradients of beta and of the decays are sums of W = -KK^T * a + QK^T * b (a pair's gradient times the pair, without
// beta), and of products of rows, which are the diagonals of matrix products. They leave as `sums` for the host to put together:
//     [0] (since dO S^T) . q_i     [1] (-since dR S^T) . k_i     [2] (until Y dS'^T) . k_j       C numbers each
//     [3] columns of S . columns of dS'                                                                V numbers
//     [4] sum over i >= t > j of M_ij, M = W diag(beta)           [5] sums of the columns of -W         C numbers each

#pragma once

#include "decays.h"
#include "diagonals.h"
#include "flags.h"
#include "preparation.h"
#include "products.h"
#include "state.h"
#include "sums.h"

namespace sfm {

class GradientPass {
public:
    __aicore__ inline GradientPass(const GradientProblem& problem, const Prepared& prepared, const State& d_state, Cube& cube,
                                   Paths& paths)
        : problem_(problem), sizes_(problem.sizes), prepared_(prepared), d_state_(d_state), cube_(cube), paths_(paths),
          products_(cube, paths, order_), chunk_(sizes_.chunk), size_(sizes_.chunk * sizes_.chunk),
          num_keys_(sizes_.chunk * sizes_.key_dim), num_values_(sizes_.chunk * sizes_.value_dim),
          state_size_(sizes_.key_dim * sizes_.value_dim), num_sums_(5 * sizes_.chunk + sizes_.value_dim) {}

    __aicore__ inline void Init(Arena<TPosition::A1>& l1, Arena<TPosition::VECCALC>& ub, Arena<TPosition::CO1>& l0c)
    {
        InitL1(l1);
        const int32_t most = Larger(size_, Larger(num_keys_, num_values_));
        d_q_ = l0c.Take<float>(num_keys_);
        d_k_ = l0c.Take<float>(num_keys_);
        products_.Init(Larger(Larger(d_state_.size, NumDots() * FRACTAL), most), most, l0c, ub);
        identity_ = ub.Take<half>(FRACTAL_SIZE);
        float_identity_ = ub.Take<float>(FRACTAL_SIZE);
        off_diagonal_ = ub.Take<float>(FRACTAL_SIZE);
        on_or_below_ = ub.Take<float>(size_);
        gamma_ = ub.Take<float>(size_);
        for (int32_t slot = 0; slot < 2; ++slot) {
            factors_[slot] = ub.Take<half>(NUM_FACTORS * chunk_);
            minus_beta_[slot] = ub.Take<float>(chunk_);
        }
        diagonals_.Init(sizes_, NUM_FACTORS, l1, ub);
        sums_ = ub.Take<float>(num_sums_);
        const int32_t changes = d_state_.size + d_state_.NumOwn() * d_state_.size / 2;
        work_ = ub.Take<float>(Larger(4 * size_, Larger(NumDots() * FRACTAL, changes)));
    }

    // Once, before the first group.
    __aicore__ inline void Clear() { diagonals_.Clear(products_.Room(), paths_); }

    // Chunks first .. first + count of a sequence, the last one first. All pipes are idle before and after.
    __aicore__ inline void Run(int32_t sequence, int32_t first, int32_t count)
    {
        LoadConstants();
        products_.Start();
        first_ = first;
        Load(sequence, first + count - 1);
        LoadValues(sequence, first + count - 1);
        LoadExponents(sequence, first + count - 1);
        SendState();
        for (int32_t chunk = first + count - 1; chunk >= first; --chunk) {
            is_mine_ = IsMine(chunk);
            StartChunk(sequence, chunk);
            ScaleRows(chunk);
            GoBack(sequence, chunk);
            UpdateState(sequence, chunk);
            Scores(sequence, chunk);
            MultiplyRows(chunk);
            Store(sequence, chunk);
            if (chunk > first) {
                SendState();
            }
        }
        products_.Stop();
        PipeBarrier<PIPE_ALL>();
    }

private:
    static __aicore__ inline int32_t Larger(int32_t a, int32_t b) { return a > b ? a : b; }
    __aicore__ inline int32_t NumDots() const { return 3 * chunk_ + sizes_.value_dim; }

    __aicore__ inline void InitL1(Arena<TPosition::A1>& l1)
    {
        for (int32_t slot = 0; slot < 2; ++slot) {
            q_[slot] = l1.Take<half>(num_keys_);
            k_[slot] = l1.Take<half>(num_keys_);
            d_out_[slot] = l1.Take<half>(num_values_);
            state_[slot] = l1.Take<half>(state_size_);
        }
        v_ = l1.Take<half>(num_values_);
        y_ = l1.Take<half>(2 * num_values_);
        cube_d_state_ = l1.Take<half>(state_size_);
        exponents_.Init(chunk_, l1);
        d_kk_ = l1.Take<half>(size_);
        d_qk_ = l1.Take<half>(size_);
        ShareL1(l1);
    }

    // What is used one after the other takes turns in one place.
    __aicore__ inline void ShareL1(Arena<TPosition::A1>& l1)
    {
        const int32_t most = Larger(num_keys_, num_values_);
        d_y_ = pairs_ = asked_ = l1.Take<half>(2 * Larger(size_, most));
        reading_ = scaled_d_r_ = l1.Take<half>(Larger(3 * num_keys_, 4 * num_values_));
        scaled_y_ = scaled_d_r_[2 * num_values_];
        writing_ = reading_[num_keys_];
        queries_ = reading_[2 * num_keys_];
        d_r_ = read_ = l1.Take<half>(2 * most);
        inverse_reading_ = scaled_d_out_ = kept_ = l1.Take<half>(Larger(num_values_, 2 * num_keys_));
    }

    __aicore__ inline Matrix Keys(const LocalTensor<half>& data) const { return Matrix(data, chunk_, sizes_.key_dim); }
    __aicore__ inline Matrix Values(const LocalTensor<half>& data) const { return Matrix(data, chunk_, sizes_.value_dim); }
    __aicore__ inline Matrix Square(const LocalTensor<half>& data) const { return Matrix(data, chunk_, chunk_); }
    __aicore__ inline Matrix StateMatrix(const LocalTensor<half>& data) const
    {
        return Matrix(data, sizes_.key_dim, sizes_.value_dim);
    }

    // Both halves, one after the other.
    __aicore__ inline Halves BothKeys(const LocalTensor<half>& data) const { return Halves(Keys(data), Keys(data[num_keys_])); }
    __aicore__ inline Halves BothValues(const LocalTensor<half>& data) const
    {
        return Halves(Values(data), Values(data[num_values_]));
    }

    __aicore__ inline void LoadConstants()
    {
        if (HasVector()) {
            DataCopy(identity_, problem_.minus_identity, FRACTAL_SIZE);
            DataCopy(products_.Room(), problem_.mask, size_);
            PipeBarrier<PIPE_ALL>();
            Cast(on_or_below_, products_.Room(), RoundMode::CAST_NONE, size_);
            Settle();
            Muls(on_or_below_, on_or_below_, -1.0F, size_);
            Settle();
            Exp(on_or_below_, on_or_below_, size_);
            Settle();
            Muls(on_or_below_, on_or_below_, 1.0F / MASKED, size_);
            Muls(identity_, identity_, static_cast<half>(-1), FRACTAL_SIZE);
            Settle();
            Cast(float_identity_, identity_, RoundMode::CAST_NONE, FRACTAL_SIZE);
            Settle();
            Muls(off_diagonal_, float_identity_, -1.0F, FRACTAL_SIZE);
            Settle();
            Adds(off_diagonal_, off_diagonal_, 1.0F, FRACTAL_SIZE);
        }
        PipeBarrier<PIPE_ALL>();
    }

    __aicore__ inline void Load(int32_t sequence, int32_t chunk)
    {
        const int32_t slot = chunk % 2, token = chunk * chunk_;
        const int64_t row = problem_.Row(sequence, token, sizes_.key_dim), number = problem_.Chunk(sequence, chunk);
        if (HasCube()) {
            LoadRows(k_[slot], problem_.k[row], sizes_, sizes_.key_dim);
            LoadRows(q_[slot], problem_.q[row], sizes_, sizes_.key_dim);
            LoadRows(d_out_[slot], problem_.d_out[problem_.Row(sequence, token, sizes_.value_dim)], sizes_, sizes_.value_dim);
            DataCopy(state_[slot], problem_.states[number * state_size_], state_size_);
        }
        if (HasVector()) {
            DataCopy(factors_[slot], problem_.factors[number * NUM_FACTORS * chunk_], NUM_FACTORS * chunk_);
            DataCopy(minus_beta_[slot], problem_.minus_beta[number * chunk_], chunk_);
        }
    }

    // Of what is used once, the next chunk's comes when this one's has been read.
    __aicore__ inline void LoadValues(int32_t sequence, int32_t chunk)
    {
        order_.Then<HardEvent::MTE1_MTE2>();
        if (chunk >= first_) {
            LoadRows(v_, problem_.v[problem_.Row(sequence, chunk * chunk_, sizes_.value_dim)], sizes_, sizes_.value_dim);
        }
    }

    __aicore__ inline void LoadExponents(int32_t sequence, int32_t chunk)
    {
        order_.Then<HardEvent::MTE1_MTE2>();
        if (chunk >= first_) {
            const int64_t token = problem_.Chunk(sequence, chunk) * chunk_;
            exponents_.Load(problem_.row_exponents, problem_.unweighted_exponents, token, chunk_);
        }
    }

    // This chunk's arguments are there, and the next one's are on their way to where the last one's were.
    __aicore__ inline void StartChunk(int32_t sequence, int32_t chunk)
    {
        order_.Then<HardEvent::MTE2_MTE1>();
        order_.Then<HardEvent::MTE2_V>();
        order_.Then<HardEvent::MTE1_MTE2>();
        order_.Then<HardEvent::V_MTE2>();
        order_.Then<READ_BY_CUBE>();
        if (chunk > first_) {
            Load(sequence, chunk - 1);
        }
    }

    // Keys and queries times -since, until * beta and since, by products with diagonal matrices.
    __aicore__ inline void ScaleRows(int32_t chunk)
    {
        const int32_t slot = chunk % 2;
        diagonals_.Build(identity_, factors_[slot]);
        order_.Then<HardEvent::V_MTE3>();
        diagonals_.Send(paths_);
        order_.Then<HardEvent::MTE3_V>();
        order_.Then<FROM_VECTOR>();
        Scale(Keys(reading_), KEYS_READ, Keys(k_[slot]));
        Scale(Keys(writing_), KEYS_WRITTEN, Keys(k_[slot]));
        Scale(Keys(queries_), QUERIES, Keys(q_[slot]));
        order_.Then<FROM_CUBE>();
    }

    __aicore__ inline void Scale(const Matrix& to, Factor which, const Matrix& rows)
    {
        cube_.Multiply(products_.Claim(), diagonals_.Of(which), rows);
        products_.Send(to);
    }

    // dY and dR, which is dV; and Y = T V + (T R) S, as the forward kernel computes it.
    __aicore__ inline void GoBack(int32_t sequence, int32_t chunk)
    {
        const int32_t slot = chunk % 2, index = chunk % sizes_.chunks_per_group;
        const Matrix high = prepared_.Of(prepared_.high, index), low = prepared_.Of(prepared_.low, index);
        const Halves inverse(high, low), transposed(Transposed(high), Transposed(low));
        cube_.Multiply(products_.Claim(), inverse, Keys(reading_));
        const LocalTensor<float> d_y = products_.Claim();
        cube_.Multiply(d_y, Transposed(prepared_.Of(prepared_.p, index)), Values(d_out_[slot]));
        cube_.Multiply(d_y, Keys(writing_), StateMatrix(cube_d_state_), true);
        products_.SendTwo(BothKeys(inverse_reading_), BothValues(d_y_));
        order_.Then<FROM_CUBE>();
        const LocalTensor<float> y = products_.Claim();
        cube_.Multiply(y, inverse, Values(v_));
        cube_.Multiply(y, BothKeys(inverse_reading_), StateMatrix(state_[slot]), true);
        cube_.Multiply(products_.Claim(), transposed, BothValues(d_y_));
        const Rows rows = RowsOf(problem_.d_v, sequence, chunk, sizes_.value_dim);
        products_.SendTwo(BothValues(y_), BothValues(d_r_), &rows);
        order_.Then<FROM_CUBE>();
        LoadValues(sequence, chunk - 1);
    }

    __aicore__ inline Rows RowsOf(const GlobalTensor<half>& all, int32_t sequence, int32_t chunk, int32_t dim) const
    {
        return {all[problem_.Row(sequence, chunk * chunk_, dim)], sizes_.num_heads * dim};
    }

    // dS, in the unified buffer and, for the chunk before this one, in L1.
    __aicore__ inline void UpdateState(int32_t sequence, int32_t chunk)
    {
        d_state_.Decay(problem_.whole.GetValue(problem_.Chunk(sequence, chunk)));
        for (int32_t piece = 0; piece < d_state_.count; ++piece) {
            const LocalTensor<float> change = products_.Claim();
            const int32_t column = piece * d_state_.columns;
            cube_.Multiply(change, Transposed(Keys(queries_)), Columns(d_out_[chunk % 2], column));
            const Halves d_r(Columns(d_r_, column), Columns(d_r_[num_values_], column));
            cube_.Multiply(change, Transposed(Keys(reading_)), d_r, true);
            products_.Receive(work_, d_state_.size, IsMine(piece));
            if (IsMine(piece)) {
                d_state_.Add(piece, work_);
            }
        }
    }

    // A piece of the state's columns of values.
    __aicore__ inline Matrix Columns(const LocalTensor<half>& data, int32_t first) const
    {
        return Values(data).Block(0, first, chunk_, d_state_.columns);
    }

    __aicore__ inline void SendState()
    {
        const int32_t size = d_state_.size;
        for (int32_t piece = 0; piece < d_state_.count; ++piece) {
            const LocalTensor<half> halves = work_[size].ReinterpretCast<half>()[piece / NUM_SHARES * size];
            if (IsMine(piece)) {
                Cast(halves, d_state_.Piece(piece), RoundMode::CAST_NONE, size);
                Settle();
            }
            order_.Then<HardEvent::V_MTE3>();
            paths_.Ship(halves, size, IsMine(piece)).Unload(cube_d_state_[piece * size], 0, size);
            paths_.Unloaded();
        }
        order_.Then<FROM_VECTOR>();
        order_.Then<HardEvent::MTE3_V>();
    }

    // The gradients of K K^T and Q K^T on to L1; the sums over their columns.
    __aicore__ inline void Scores(int32_t sequence, int32_t chunk)
    {
        const int32_t slot = chunk % 2;
        const LocalTensor<float> kk = work_, qk = work_[size_], a = work_[2 * size_], b = work_[3 * size_];
        const Matrix q = Keys(q_[slot]), k = Keys(k_[slot]);
        const Halves y(Transposed(Values(y_)), Transposed(Values(y_[num_values_])));
        MultiplyScores(kk, k, Transposed(k));
        MultiplyScores(qk, q, Transposed(k));
        MultiplyScores(a, BothValues(d_r_), y);
        MultiplyScores(b, Values(d_out_[slot]), y);
        exponents_.Multiply(cube_, products_.Claim(), Square(prepared_.mask));
        products_.Receive(gamma_, size_, is_mine_);
        LoadExponents(sequence, chunk - 1);
        if (is_mine_) {
            Exp(gamma_, gamma_, size_);
            Settle();
            WeighScores(kk, qk, a, b);
            MultiplyColumns(a, minus_beta_[slot], chunk_);
            MultiplyColumns(b, minus_beta_[slot], chunk_);
            Settle();
        }
        products_.Upload(d_kk_, a, size_, is_mine_);
        products_.Upload(d_qk_, b, size_, is_mine_);
        SumPairs(kk, qk, minus_beta_[slot]);
    }

    // A product, on to the unified buffer.
    __aicore__ inline void MultiplyScores(const LocalTensor<float>& to, const Halves& left, const Halves& right)
    {
        cube_.Multiply(products_.Claim(), left, right);
        products_.Receive(to, size_, is_mine_);
    }

    // a = dN * Gamma, b = -dP * Gamma, qk = -W = K K^T * a + Q K^T * b.
    __aicore__ inline void WeighScores(const LocalTensor<float>& kk, const LocalTensor<float>& qk, const LocalTensor<float>& a,
                                       const LocalTensor<float>& b)
    {
        Mul(a, a, gamma_, size_);
        Mul(b, b, gamma_, size_);
        Settle();
        for (int32_t start = 0; start < chunk_; start += FRACTAL) {
            const LocalTensor<float> tile = a[start * (chunk_ + FRACTAL)];
            Mul(tile, tile, off_diagonal_, FRACTAL_SIZE);
        }
        Muls(b, b, -1.0F, size_);
        Settle();
        Mul(kk, kk, a, size_);
        Mul(qk, qk, b, size_);
        Settle();
        Add(qk, qk, kk, size_);
        Settle();
    }

    // kk = M B, where B has ones above the diagonal, times MASKED: (M B)_it = sum over j < t of M_ij. Then the sums of the
    // columns of kk, i >= t, and of qk.
    __aicore__ inline void SumPairs(const LocalTensor<float>& kk, const LocalTensor<float>& qk,
                                    const LocalTensor<float>& minus_beta)
    {
        if (is_mine_) {
            DataCopy(kk, qk, size_);
            Settle();
            MultiplyColumns(kk, minus_beta, chunk_);
            Settle();
        }
        products_.UploadBoth(pairs_, kk, gamma_, size_, is_mine_);
        cube_.Multiply(products_.Claim(), Halves(Square(pairs_), Square(pairs_[size_])), Square(prepared_.mask));
        products_.Receive(kk, size_, is_mine_);
        if (!is_mine_) {
            return;
        }
        Mul(kk, kk, on_or_below_, size_);
        Settle();
        SumRows(kk, chunk_, 2 * chunk_ / FRACTAL);
        DataCopy(sums_[NumDots()], kk, DataCopyParams(2 * chunk_ / FRACTAL, 2, 2 * chunk_ - 2, 0));
        Settle();
    }

    // dQ and dK, and the products of rows.
    __aicore__ inline void MultiplyRows(int32_t chunk)
    {
        const int32_t slot = chunk % 2;
        const Matrix q = Keys(q_[slot]), k = Keys(k_[slot]);
        const Operand state = Transposed(StateMatrix(state_[slot])), d_state = Transposed(StateMatrix(cube_d_state_));
        Scale(Values(scaled_d_out_), QUERIES, Values(d_out_[slot]));
        cube_.Multiply(products_.Claim(), diagonals_.Of(KEYS_READ), BothValues(d_r_));
        cube_.Multiply(products_.Claim(), diagonals_.Of(UNTIL), BothValues(y_));
        products_.SendTwo(BothValues(scaled_d_r_), BothValues(scaled_y_));
        order_.Then<FROM_CUBE>();
        cube_.Multiply(products_.Claim(), Values(scaled_d_out_), state);
        cube_.Multiply(products_.Claim(), BothValues(scaled_d_r_), state);
        cube_.Multiply(d_q_, Values(scaled_d_out_), state);
        products_.SendTwo(BothKeys(asked_), BothKeys(read_));
        cube_.Multiply(d_k_, BothValues(scaled_d_r_), state);
        cube_.Multiply(products_.Claim(), BothValues(scaled_y_), d_state);
        products_.Send(BothKeys(kept_));
        order_.Then<FROM_CUBE>();
        Dots(slot);
        cube_.Multiply(d_q_, Square(d_qk_), k, true);
        cube_.Multiply(d_k_, diagonals_.Of(BETA), Keys(kept_), true);
        cube_.Multiply(d_k_, Square(d_kk_), k, true);
        cube_.Multiply(d_k_, Transposed(Square(d_kk_)), k, true);
        cube_.Multiply(d_k_, Transposed(Square(d_qk_)), q, true);
    }

    // Products of rows with rows: the diagonals of products, 16 x 16 at a time.
    __aicore__ inline void Dots(int32_t slot)
    {
        const LocalTensor<float> tiles = products_.Claim();
        int32_t tile = 0;
        for (int32_t row = 0; row < chunk_; row += FRACTAL, ++tile) {
            MultiplyTile(tiles, tile, asked_, q_[slot], row);
            MultiplyTile(tiles, chunk_ / FRACTAL + tile, read_, k_[slot], row);
            MultiplyTile(tiles, 2 * chunk_ / FRACTAL + tile, kept_, k_[slot], row);
        }
        for (int32_t column = 0; column < sizes_.value_dim; column += FRACTAL) {
            cube_.Multiply(tiles[(3 * chunk_ + column) * FRACTAL],
                           Transposed(StateMatrix(state_[slot]).Block(0, column, sizes_.key_dim, FRACTAL)),
                           StateMatrix(cube_d_state_).Block(0, column, sizes_.key_dim, FRACTAL));
        }
        products_.Receive(work_, NumDots() * FRACTAL, is_mine_);
        if (is_mine_) {
            SumDiagonals(work_, float_identity_, NumDots() / FRACTAL);
            DataCopy(sums_, work_, DataCopyParams(NumDots() / FRACTAL, 2, 30, 0));
            Settle();
        }
    }

    __aicore__ inline Matrix Sixteen(const LocalTensor<half>& data, int32_t first) const
    {
        return Keys(data).Block(first, 0, FRACTAL, sizes_.key_dim);
    }

    // Sixteen rows of the sum of two halves times sixteen others.
    __aicore__ inline void MultiplyTile(const LocalTensor<float>& tiles, int32_t tile, const LocalTensor<half>& left,
                                        const LocalTensor<half>& right, int32_t row)
    {
        const Halves rows(Sixteen(left, row), Sixteen(left[num_keys_], row));
        cube_.Multiply(tiles[tile * FRACTAL_SIZE], rows, Transposed(Sixteen(right, row)));
    }

    __aicore__ inline void Store(int32_t sequence, int32_t chunk)
    {
        order_.Then<PRODUCT_DONE>();
        products_.Store(RowsOf(problem_.d_q, sequence, chunk, sizes_.key_dim), Keys(q_[0]), d_q_);
        products_.Store(RowsOf(problem_.d_k, sequence, chunk, sizes_.key_dim), Keys(k_[0]), d_k_);
        order_.Then<PRODUCT_FREE>();
        order_.Then<HardEvent::V_MTE3>();
        if (is_mine_) {
            DataCopy(problem_.sums[problem_.Chunk(sequence, chunk) * num_sums_], sums_, num_sums_);
        }
        order_.Then<HardEvent::MTE3_V>();
    }

    const GradientProblem& problem_;
    const Tiling& sizes_;
    const Prepared& prepared_;
    const State& d_state_;
    Cube& cube_;
    Paths& paths_;
    const int32_t chunk_, size_, num_keys_, num_values_, state_size_, num_sums_;
    int32_t first_ = 0;     // chunk of the group
    bool is_mine_ = false;  // the Vector's work on the chunk, but for the state
    Order order_;
    Products products_;
    LocalTensor<half> q_[2], k_[2], d_out_[2], state_[2], v_, y_, cube_d_state_;  // in L1
    Exponents exponents_;
    LocalTensor<half> d_kk_, d_qk_, d_y_, pairs_, asked_, reading_, writing_, queries_, scaled_d_r_, scaled_y_, d_r_, read_;
    LocalTensor<half> inverse_reading_, scaled_d_out_, kept_;
    LocalTensor<float> d_q_, d_k_;                                                          // in L0C
    LocalTensor<float> work_, on_or_below_, gamma_, float_identity_, off_diagonal_, sums_;  // in the unified buffer
    LocalTensor<float> minus_beta_[2];
    Diagonals diagonals_;
    LocalTensor<half> identity_, factors_[2];
};

}  // namespace sfm
