#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#define W 16
#include "kernels.h"

const Kernels avx512_kernels = {forward, backward};
#endif
