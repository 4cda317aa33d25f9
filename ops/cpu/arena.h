// Memory for small matrices, zero at first, that is given back all at once.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "gemm.h"

namespace {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
    while (newest_ != nullptr) {
      Header* older = newest_->older;
      free(newest_);
      newest_ = older;
    }
  }

  template <typename Number = float>
  MatrixOf<Number> matrix(int64_t rows, int columns) {
    const int64_t bytes = rows * columns * sizeof(Number);
    const int64_t total = (sizeof(Header) + bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    void* memory = aligned_alloc(ALIGNMENT, total);
    if (memory == nullptr) abort();
    memset(memory, 0, total);
    Header* header = static_cast<Header*>(memory);
    header->older = newest_;
    newest_ = header;
    return {reinterpret_cast<Number*>(newest_ + 1), columns};
  }
  template <typename Number = float>
  Number* vector(int64_t length) {
    return matrix<Number>(length, 1).data;
  }

 private:
  struct alignas(ALIGNMENT) Header {
    Header* older;
  };
  Header* newest_ = nullptr;
};

}  // namespace
