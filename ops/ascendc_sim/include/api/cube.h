// The Cube unit: LoadData brings fractals from L1 (or GM) to L0A and L0B, Mmad multiplies them into L0C.
//
// Layouts: L0A holds [m1][k1][16 m][16 k], L0B [k1][n1][16 n][16 k], L0C [n1][m1][16 m][16 n].
#pragma once
#include <numeric>

#include "data_copy.h"

namespace ascendc_sim {

// Copies one fractal of 16 x 16 two-byte elements, transposed or not.
inline void CopyFractal(uint8_t* to, const uint8_t* from, bool transpose) {
    if (!transpose) {
        std::memcpy(to, from, kFractalBytes);
        return;
    }
    for (uint32_t row = 0; row < kFractal; ++row) {
        for (uint32_t column = 0; column < kFractal; ++column) {
            std::memcpy(to + (column * kFractal + row) * 2, from + (row * kFractal + column) * 2, 2);
        }
    }
}

inline void RecordLoadData(Entry entry, const View& dst, const Range& src, const AscendC::LoadData2DParams& params) {
    RequireAlive(dst, entry);
    RequireAligned(dst.start, kFractalBytes, "the destination", entry);
    if (params.repeatTimes == 0) {
        g_core->Report("bad_parameter", Describe(entry) + ": repeatTimes is 0 (1 to 255)");
        return;
    }
    const uint64_t count = params.repeatTimes;
    const uint64_t dst_gap = kIs910A ? 0 : params.dstGap * kFractalBytes;
    const Strided from = {{src.scope, src.start + params.startIndex * kFractalBytes, 0}, kFractalBytes,
                          params.srcStride * kFractalBytes, count};
    const Strided to = {{dst.scope, dst.start, 0}, kFractalBytes, kFractalBytes + dst_gap, count};
    Bytes(dst, 0, to.Extent(), entry);
    entry.reads = from.Pieces();
    entry.writes = to.Pieces();
    SetCopyTime(entry, src.scope, dst.scope, double(count * kFractalBytes));
    entry.effect = [core = g_core, from, to, transpose = params.ifTranspose] {
        for (uint64_t i = 0; i < to.count; ++i) {
            CopyFractal(core->At(to.first.scope, to.first.start + i * to.step),
                        core->At(from.first.scope, from.first.start + i * from.step), transpose);
        }
    };
    g_core->Record(std::move(entry));
}

inline void RequireScope(const View& view, std::initializer_list<Scope> allowed, const char* what, Entry& entry) {
    for (Scope scope : allowed) {
        if (view.scope == scope) return;
    }
    if (view.scope != Scope::None) {
        g_core->Report("no_such_path", Format("%s: %s is in %s", Describe(entry).c_str(), what, kScopeNames[int(view.scope)]));
    }
    entry.rejected = true;
}

// The rows of one operand of a Mmad: `major` blocks by `minor` blocks of fractals; element (i, j) of the operand lies in row
// i of a fractal. Only the first `rows` x `columns` elements count.
struct FractalLayout {
    uint32_t rows, columns;
    uint32_t row_blocks, column_blocks;
    bool column_block_major;  // L0B and L0C order blocks of columns outermost

    uint32_t Block(uint32_t i1, uint32_t j1) const {
        return column_block_major ? j1 * row_blocks + i1 : i1 * column_blocks + j1;
    }
    uint64_t Offset(uint32_t i, uint32_t j) const {
        return (uint64_t(Block(i / kFractal, j / kFractal)) * kFractal + i % kFractal) * kFractal + j % kFractal;
    }
};

inline FractalLayout Blocks(uint32_t rows, uint32_t columns, bool column_block_major) {
    return {rows, columns, (rows + kFractal - 1) / kFractal, (columns + kFractal - 1) / kFractal, column_block_major};
}

// The bytes of the elements that count, as ranges; whole operands are one range.
inline std::vector<Range> ValidRows(const View& view, const FractalLayout& layout, uint32_t element) {
    const uint64_t total = uint64_t(layout.row_blocks) * layout.column_blocks * kFractal * kFractal * element;
    if (layout.rows % kFractal == 0 && layout.columns % kFractal == 0) return {{view.scope, view.start, total}};
    std::vector<Range> ranges;
    for (uint32_t i = 0; i < layout.rows; ++i) {
        for (uint32_t j = 0; j < layout.columns; j += kFractal) {
            const uint64_t width = std::min(kFractal, layout.columns - j);
            ranges.push_back({view.scope, view.start + layout.Offset(i, j) * element, width * element});
        }
    }
    return ranges;
}

inline uint64_t OperandBytes(const FractalLayout& layout, uint32_t element) {
    return uint64_t(layout.row_blocks) * layout.column_blocks * kFractal * kFractal * element;
}

// Products are exact in fp32; their sum depends on an order that the hardware does not tell, so it can be drawn at random.
template <typename A, typename B, typename C>
void Multiply(C* c, const A* a, const B* b, const FractalLayout layouts[3], bool start_from_zero,
              const std::vector<uint32_t>& order, bool c_last) {
    const uint32_t m = layouts[2].rows, n = layouts[2].columns, k = uint32_t(order.size());
    std::vector<C> row(k), column(k);
    for (uint32_t j = 0; j < n; ++j) {
        for (uint32_t x = 0; x < k; ++x) column[x] = C(b[layouts[1].Offset(j, order[x])]);
        for (uint32_t i = 0; i < m; ++i) {
            for (uint32_t x = 0; x < k; ++x) row[x] = C(a[layouts[0].Offset(i, order[x])]);
            C& target = c[layouts[2].Offset(i, j)];
            const C before = start_from_zero ? C(0) : target;
            C sum = c_last ? C(0) : before;
            for (uint32_t x = 0; x < k; ++x) sum += row[x] * column[x];
            target = c_last ? C(sum + before) : sum;
        }
    }
}

// A, B and C of a product: where they are and how they lie.
struct Product {
    View views[3];
    FractalLayout layouts[3];
    bool start_from_zero;
    std::vector<uint32_t> order;  // in which products are added over k
    bool c_last;                  // and whether what C held comes after them
};

inline void CheckProduct(const Product& product, const AscendC::MmadParams& params, Entry& entry) {
    const Scope scopes[3] = {Scope::L0A, Scope::L0B, Scope::L0C};
    const char* names[3] = {"A", "B", "C"};
    for (int i = 0; i < 3; ++i) {
        RequireAlive(product.views[i], entry);
        RequireScope(product.views[i], {scopes[i]}, names[i], entry);
        RequireAligned(product.views[i].start, i == 2 ? 2 * kFractalBytes : kFractalBytes, names[i], entry);
        Bytes(product.views[i], 0, OperandBytes(product.layouts[i], i == 2 ? 4 : 2), entry);
    }
    const auto out_of_range = [](uint16_t size) { return size == 0 || size > 4095; };
    if (out_of_range(params.m) || out_of_range(params.n) || out_of_range(params.k)) {
        g_core->Report("bad_parameter", Describe(entry) + Format(": m, n, k are %u, %u, %u (1 to 4095)", params.m, params.n,
                                                                 params.k));
        entry.rejected = true;
    }
    if (!kIs910A && params.m == 1) {
        g_core->Warn("mmad_gemv", Describe(entry) + ": with m = 1 the 910B reads L0A as a vector, which is not modelled");
    }
}

inline void DrawOrder(Product& product, uint32_t k, uint32_t number) {
    product.order.resize(k);
    std::iota(product.order.begin(), product.order.end(), 0);
    const Options& options = g_core->machine.options;
    if (!options.random_accumulation) return;
    std::mt19937_64 random(options.seed * 1000003 + number);
    std::shuffle(product.order.begin(), product.order.end(), random);
    product.c_last = random() & 1;
}

// Computes a product; rows beyond m and columns beyond n of the last fractals become poison.
template <typename Source>
void RunProduct(Core& core, const Product& product) {
    const FractalLayout& layout = product.layouts[2];
    const View& c = product.views[2];
    const uint64_t bytes = OperandBytes(layout, 4);
    std::vector<float> result(bytes / 4);
    std::memset(result.data(), kPoison, bytes);
    float* target = reinterpret_cast<float*>(core.At(c.scope, c.start));
    for (uint32_t i = 0; i < layout.rows && !product.start_from_zero; ++i) {
        for (uint32_t j = 0; j < layout.columns; ++j) result[layout.Offset(i, j)] = target[layout.Offset(i, j)];
    }
    const auto* a = reinterpret_cast<const Source*>(core.At(product.views[0].scope, product.views[0].start));
    const auto* b = reinterpret_cast<const Source*>(core.At(product.views[1].scope, product.views[1].start));
    Multiply(result.data(), a, b, product.layouts, product.start_from_zero, product.order, product.c_last);
    std::memcpy(target, result.data(), bytes);
}

}  // namespace ascendc_sim

namespace AscendC {

template <typename T>
void LoadData(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal, const LoadData2DParams& loadDataParams) {
    static_assert(sizeof(T) == 2, "the simulator loads fractals of two-byte elements");
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::MTE1, "LoadData");
    RequireAlive(srcLocal.View(), entry);
    RequireScope(srcLocal.View(), {Scope::L1}, "the source", entry);
    RequireScope(dstLocal.View(), {Scope::L0A, Scope::L0B}, "the destination", entry);
    RequireAligned(srcLocal.View().start, kBlockBytes, "the source", entry);
    const uint64_t last = loadDataParams.startIndex + uint64_t(loadDataParams.repeatTimes - 1) * loadDataParams.srcStride;
    const Range src = Bytes(srcLocal.View(), 0, (last + 1) * kFractalBytes, entry);
    RecordLoadData(std::move(entry), dstLocal.View(), src, loadDataParams);
}

template <typename T>
void LoadData(const LocalTensor<T>& dstLocal, const GlobalTensor<T>& srcLocal, const LoadData2DParams& loadDataParams) {
    static_assert(sizeof(T) == 2, "the simulator loads fractals of two-byte elements");
    using namespace ascendc_sim;
    Entry entry = MakeEntry(Pipe::MTE2, "LoadData");
    RequireScope(dstLocal.View(), {Scope::L1, Scope::L0A, Scope::L0B}, "the destination", entry);
    LoadData2DParams params = loadDataParams;
    params.ifTranspose = false;  // the path from GM does not transpose
    RecordLoadData(std::move(entry), dstLocal.View(), srcLocal.Range(0, 0), params);
}

// C (m x n) = A (m x k) * B (k x n), or C += A * B when the parameters do not start from zero.
template <typename DstT, typename Src0T, typename Src1T>
void Mmad(const LocalTensor<DstT>& dstLocal, const LocalTensor<Src0T>& fmLocal, const LocalTensor<Src1T>& filterLocal,
          const MmadParams& mmadParams) {
    using namespace ascendc_sim;
    static_assert(std::is_same_v<DstT, float> && std::is_same_v<Src0T, Src1T> &&
                      (std::is_same_v<Src0T, half> || (kOn910B<Src0T> && std::is_same_v<Src0T, bfloat16_t>)),
                  "Mmad: half x half -> float, and on the 910B bfloat16_t x bfloat16_t -> float");
    Entry entry = MakeEntry(Pipe::M, "Mmad");
    const uint32_t m = mmadParams.m, n = mmadParams.n, k = mmadParams.k;
    Product product = {{fmLocal.View(), filterLocal.View(), dstLocal.View()},
                       {Blocks(m, k, false), Blocks(n, k, true), Blocks(m, n, true)},
                       mmadParams.cmatrixInitVal && !mmadParams.isBias,
                       {},
                       false};
    CheckProduct(product, mmadParams, entry);
    if (entry.rejected) return;
    DrawOrder(product, k, entry.number);
    const FractalLayout& c = product.layouts[2];
    for (int i = 0; i < 2; ++i) {
        for (const Range& range : ValidRows(product.views[i], product.layouts[i], 2)) entry.reads.push_back(range);
    }
    entry.writes = ValidRows(dstLocal.View(), c, 4);
    entry.garbage = {{Scope::L0C, dstLocal.View().start, OperandBytes(c, 4)}};
    if (!product.start_from_zero) entry.reads.insert(entry.reads.end(), entry.writes.begin(), entry.writes.end());
    entry.wants_barrier = c.row_blocks * c.column_blocks < 10;
    entry.cycles = CubeCycles(c.row_blocks, c.column_blocks, product.layouts[0].column_blocks);
    entry.cube_flop = 2.0 * m * n * k;
    entry.effect = [core = g_core, product] { RunProduct<Src0T>(*core, product); };
    g_core->Record(std::move(entry));
}

}  // namespace AscendC
