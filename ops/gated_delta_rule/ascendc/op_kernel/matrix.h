// Matrices in fractals, and products of them on the Cube.
//
// A matrix in L1 lies as NZ: [columns / 16][rows][16], so that a 16 x 16 fractal is 512 bytes in one piece. The Cube wants its
// left operand as zZ [m / 16][k / 16][16 m][16 k] and its right one as nZ [k / 16][n / 16][16 n][16 k]; a transposed load
// turns every fractal around.

#pragma once

#include "chip.h"

namespace sfm {

constexpr int32_t FRACTAL = 16;
constexpr int32_t FRACTAL_SIZE = FRACTAL * FRACTAL;
constexpr int32_t BLOCK = 32;  // bytes, the unit of copies

// A block of an NZ matrix in L1. `stride` is the number of rows of the whole matrix, `first` the number of its first fractal.
struct Matrix {
    LocalTensor<half> data;
    int32_t rows, columns, stride, first;

    __aicore__ inline Matrix(const LocalTensor<half>& data, int32_t rows, int32_t columns)
        : data(data), rows(rows), columns(columns), stride(rows), first(0) {}

    __aicore__ inline Matrix Block(int32_t row, int32_t column, int32_t num_rows, int32_t num_columns) const
    {
        Matrix block(data, num_rows, num_columns);
        block.stride = stride;
        block.first = first + column / FRACTAL * (stride / FRACTAL) + row / FRACTAL;
        return block;
    }
};

// An operand of a product: a matrix, or its transpose.
struct Operand {
    Matrix matrix;
    bool is_transposed;

    __aicore__ inline Operand(const Matrix& matrix, bool is_transposed = false) : matrix(matrix), is_transposed(is_transposed) {}
    __aicore__ inline int32_t Rows() const { return is_transposed ? matrix.columns : matrix.rows; }
    __aicore__ inline int32_t Columns() const { return is_transposed ? matrix.rows : matrix.columns; }
};

__aicore__ inline Operand Transposed(const Matrix& matrix) { return Operand(matrix, true); }

// A factor of a product: an operand, or the sum of two, the second of which is about 2^-11 of the first.
struct Halves {
    Operand high, low;
    bool is_sum;

    __aicore__ inline Halves(const Operand& operand) : high(operand), low(operand), is_sum(false) {}
    __aicore__ inline Halves(const Matrix& matrix) : Halves(Operand(matrix)) {}
    __aicore__ inline Halves(const Operand& high, const Operand& low) : high(high), low(low), is_sum(true) {}
    __aicore__ inline int32_t Size() const { return high.Rows() * high.Columns(); }  // of either
};

// Fractals of `x` in the order [rows / 16][columns / 16], each with its rows (of x) first, or with its columns first.
__aicore__ inline void LoadFractals(const LocalTensor<half>& to, const Operand& x, bool columns_first)
{
    const int32_t num_rows = x.Rows() / FRACTAL, num_columns = x.Columns() / FRACTAL, stride = x.matrix.stride / FRACTAL;
    LoadData2DParams load;
    load.repeatTimes = num_columns;
    load.srcStride = x.is_transposed ? 1 : stride;
    load.ifTranspose = x.is_transposed != columns_first;
    for (int32_t row = 0; row < num_rows; ++row) {
        load.startIndex = x.matrix.first + (x.is_transposed ? row * stride : row);
        LoadData(to[row * num_columns * FRACTAL_SIZE], x.matrix.data, load);
    }
}

constexpr int32_t FEW_FRACTALS = 10;

// Products on the Cube. Operands take turns in the halves of L0A and L0B, so that loading overlaps with multiplying.
class Cube {
public:
    __aicore__ inline void Init(TPipe& pipe, int32_t left_bytes, int32_t right_bytes)
    {
        pipe.InitBuffer(left_, 2 * left_bytes);
        pipe.InitBuffer(right_, 2 * right_bytes);
        left_bytes_ = left_bytes;
        right_bytes_ = right_bytes;
    }

    // minus_identity (side, side) in L1: -1 on the diagonal.
    __aicore__ inline void Start(const LocalTensor<half>& minus_identity, int32_t side)
    {
        minus_identity_ = minus_identity;
        side_ = side;
        Raise<HardEvent::M_MTE1>(OPERANDS_FLAG);
        Raise<HardEvent::M_MTE1>(OPERANDS_FLAG + 1);
    }

    __aicore__ inline void Stop()
    {
        Await<HardEvent::M_MTE1>(OPERANDS_FLAG);
        Await<HardEvent::M_MTE1>(OPERANDS_FLAG + 1);
    }

    // result (m, n) in L0C = left (m, k) right (k, n), or += if `is_sum`. The product of two low halves is left out.
    __aicore__ inline void Multiply(const LocalTensor<float>& result, const Halves& left, const Halves& right,
                                    bool is_sum = false)
    {
        if (!HasCube()) {
            return;
        }
        const LocalTensor<half> a = left_.GetWithOffset<half>(left_bytes_ / sizeof(half), turn_ * left_bytes_);
        const LocalTensor<half> b = right_.GetWithOffset<half>(right_bytes_ / sizeof(half), turn_ * right_bytes_);
        WaitFlag<HardEvent::M_MTE1>(OPERANDS_FLAG + turn_);
        Load(a, left, false);
        Load(b, right, true);
        SetFlag<HardEvent::MTE1_M>(turn_);
        WaitFlag<HardEvent::MTE1_M>(turn_);
        MmadParams product;
        product.m = left.high.Rows();
        product.n = right.high.Columns();
        product.k = left.high.Columns();
        product.cmatrixInitVal = !is_sum;
        Accumulate(result, a, b, product);
        product.cmatrixInitVal = false;
        if (left.is_sum) {
            Accumulate(result, a[left.Size()], b, product);
        }
        if (right.is_sum) {
            Accumulate(result, a, b[right.Size()], product);
        }
        SetFlag<HardEvent::M_MTE1>(OPERANDS_FLAG + turn_);
        turn_ = 1 - turn_;
    }

    // result -= x, which lies in L1 and is a rounded `result`: exact, so that a second half remains.
    __aicore__ inline void Subtract(const LocalTensor<float>& result, const Matrix& x)
    {
        Multiply(result, Matrix(minus_identity_, side_, side_).Block(0, 0, x.rows, x.rows), x, true);
    }

private:
    static __aicore__ inline void Load(const LocalTensor<half>& to, const Halves& x, bool columns_first)
    {
        LoadFractals(to, x.high, columns_first);
        if (x.is_sum) {
            LoadFractals(to[x.Size()], x.low, columns_first);
        }
    }

    static __aicore__ inline void Accumulate(const LocalTensor<float>& result, const LocalTensor<half>& a,
                                             const LocalTensor<half>& b, const MmadParams& product)
    {
        if (!product.cmatrixInitVal && product.m * product.n < FEW_FRACTALS * FRACTAL_SIZE) {
            PipeBarrier<PIPE_M>();  // what Ascend C asks for between small products with one result
        }
        Mmad(result, a, b, product);
    }

    TBuf<TPosition::A2> left_;
    TBuf<TPosition::B2> right_;
    LocalTensor<half> minus_identity_;
    int32_t left_bytes_, right_bytes_, side_;
    int32_t turn_ = 0;
};

}  // namespace sfm
