// The signed scan from the last step to the first, which is its own gradient; scan.h says how.

#include "scan.h"

extern "C" __global__ __aicore__ void signed_scan_reversed(
    GM_ADDR x, GM_ADDR decay, GM_ADDR state, GM_ADDR out, GM_ADDR workspace, GM_ADDR tiling)
{
    sfm::RunSignedScan<true>(x, decay, state, out, tiling);
}
