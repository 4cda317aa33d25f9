// Byte arrays of exact capacity, each byte with a shadow that says whether it was written; unwritten bytes are poison.
#pragma once
#include <cstring>
#include <vector>

#include "chip.h"

namespace ascendc_sim {

// 0xFF bytes are a NaN in half, bfloat16 and float, so that poison that slips through a check still shows in the numbers.
constexpr uint8_t kPoison = 0xFF;

// `start` is an offset into the scope's memory; in GM it is an offset into the arena that holds all arguments.
struct Range {
    Scope scope;
    uint64_t start;
    uint64_t length;
    uint64_t End() const { return start + length; }
};

class Memory {
public:
    void Allocate(uint64_t size) {
        data_.assign(size, kPoison);
        written_.assign(size, 0);
    }
    uint64_t Size() const { return data_.size(); }
    uint8_t* At(uint64_t offset) { return data_.data() + offset; }

    void MarkWritten(uint64_t start, uint64_t length) { std::memset(written_.data() + start, 1, length); }
    void Forget(uint64_t start, uint64_t length) { std::memset(written_.data() + start, 0, length); }
    // The offset of the first unwritten byte in the range, or its end.
    uint64_t FirstUnwritten(uint64_t start, uint64_t length) const {
        const void* found = std::memchr(written_.data() + start, 0, length);
        return found ? static_cast<const uint8_t*>(found) - written_.data() : start + length;
    }

private:
    std::vector<uint8_t> data_;
    std::vector<uint8_t> written_;
};

}  // namespace ascendc_sim
