// What a run found wrong: each violation has a kind (a stable word that tests and callers name) and a sentence.
#pragma once
#include <cstdarg>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace ascendc_sim {

struct Violation {
    std::string kind;
    std::string text;
};

inline std::string Format(const char* format, ...) {
    char buffer[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(buffer, sizeof(buffer), format, arguments);
    va_end(arguments);
    return buffer;
}

// Keeps the first few texts of each kind and counts the rest, so that a wrong loop does not print a thousand lines.
class Violations {
public:
    static constexpr int kTextsPerKind = 20;

    void Add(const std::string& kind, const std::string& text) {
        if (++counts_[kind] <= kTextsPerKind) list_.push_back({kind, text});
    }
    const std::vector<Violation>& List() const { return list_; }
    const std::map<std::string, int>& Counts() const { return counts_; }

private:
    std::vector<Violation> list_;
    std::map<std::string, int> counts_;
};

}  // namespace ascendc_sim
