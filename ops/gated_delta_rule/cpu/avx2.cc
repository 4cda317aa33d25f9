#if defined(__x86_64__)
#pragma GCC target("avx2,fma")
#define W 8
#include "kernels.h"

const Kernels avx2_kernels = {forward, backward};
#endif
