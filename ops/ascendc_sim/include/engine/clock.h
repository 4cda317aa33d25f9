// Vector clocks: how far each pipe of each core has come, as another pipe knows it through flags.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace ascendc_sim {

class Clock {
public:
    explicit Clock(int size = 0) : times_(size, 0) {}
    uint32_t operator[](int pipe) const { return times_[pipe]; }
    void Tick(int pipe) { ++times_[pipe]; }
    void Join(const Clock& other, int except = -1) {
        for (size_t i = 0; i < times_.size(); ++i) {
            if (int(i) != except) times_[i] = std::max(times_[i], other.times_[i]);
        }
    }

private:
    std::vector<uint32_t> times_;
};

// What a flag hands over: the knowledge of the pipe that set it, and the cycle at which it did.
struct Snapshot {
    Clock clock;
    double time = 0;
};

}  // namespace ascendc_sim
