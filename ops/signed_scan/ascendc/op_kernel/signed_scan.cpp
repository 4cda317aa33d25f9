// The signed scan from the first step to the last; scan.h says what it computes and how.

#include "scan.h"

extern "C" __global__ __aicore__ void signed_scan(
    GM_ADDR x, GM_ADDR decay, GM_ADDR state, GM_ADDR out, GM_ADDR workspace, GM_ADDR tiling)
{
    sfm::RunSignedScan<false>(x, decay, state, out, tiling);
}
