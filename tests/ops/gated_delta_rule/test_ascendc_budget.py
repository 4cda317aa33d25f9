"""The bytes that the Ascend C kernels' host side adds up are those that the kernels take."""

from __future__ import annotations

import numpy as np
import pytest

from sfm_ms.ops import ascendc_sim
from sfm_ms.ops.gated_delta_rule.ascendc.simulated import KERNELS, tiling

pytestmark = pytest.mark.skipif(bool(ascendc_sim.why_not()), reason=ascendc_sim.why_not())

PROBE = """
#include "OP_KERNEL/core.h"
#include "OP_KERNEL/gradient_pass.h"
#include "OP_KERNEL/state_pass.h"
#include "OP_HOST/budget.h"

template <typename Problem, typename Pass>
void Compare(GM_ADDR out, GM_ADDR tiling, bool is_backward)
{
    Problem problem;
    problem.sizes = *reinterpret_cast<__gm__ sfm::Tiling*>(tiling);
    sfm::Core<Problem, Pass> core(problem);
    core.Init();
    const sfm::Chip& chip = core.chip;

    const sfm::Bytes bytes = sfm::KernelBytes(problem.sizes, is_backward);
    sfm::Bytes memory;
    memory.l1 = sfm::Chip::L1_BYTES;
    memory.unified = sfm::Chip::UNIFIED_BYTES;
    memory.l0c = sfm::Chip::L0C_BYTES;
    memory.l0 = sfm::Chip::L0_BYTES / 2;
    const int64_t numbers[] = {chip.l1.Peak(), chip.unified.Peak(), chip.l0c.Peak(), bytes.l1, bytes.unified, bytes.l0c,
                               sfm::ChunksPerGroup(problem.sizes, memory, is_backward), 0};
    AscendC::GlobalTensor<int32_t> result;
    result.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(out));
    for (int32_t i = 0; i < 8; ++i) {
        result.SetValue(i, numbers[i]);
    }
}

extern "C" __global__ __aicore__ void forward(GM_ADDR out, GM_ADDR workspace, GM_ADDR tiling)
{
    Compare<sfm::ForwardProblem, sfm::StatePass>(out, tiling, false);
}

extern "C" __global__ __aicore__ void backward(GM_ADDR out, GM_ADDR workspace, GM_ADDR tiling)
{
    Compare<sfm::GradientProblem, sfm::GradientPass>(out, tiling, true);
}
"""


def probe(kernel, chunk, key_dim, value_dim, group, num_chunks=99):
    source = PROBE.replace("OP_KERNEL", str(KERNELS)).replace("OP_HOST", str(KERNELS.with_name("op_host")))
    sizes = tiling(1, 1, num_chunks, group, chunk, key_dim, value_dim)
    numbers = ascendc_sim.Output((8,), np.int32)
    report = ascendc_sim.simulate(source, kernel, "910A", [numbers], tiling=sizes, allow=("out_of_range",))
    return list(report.outputs[0])


@pytest.mark.parametrize("kernel", ["forward", "backward"])
def test_bytes_add_up_and_groups_fit(kernel):
    for chunk in (16, 32, 64):
        for key_dim, value_dim in ((16, 16), (16, 128), (64, 64), (128, 32), (128, 128)):
            *bytes_taken, l1, unified, l0c, group, _ = probe(kernel, chunk, key_dim, value_dim, 4)
            assert bytes_taken == [l1, unified, l0c], (chunk, key_dim, value_dim)
            assert 1 <= group <= 64 // (chunk // 16)
            largest = probe(kernel, chunk, key_dim, value_dim, group)
            assert largest[0] <= 2**20 and largest[1] <= 248 * 1024 and largest[2] <= 256 * 1024
            if group < 64 // (chunk // 16):
                assert probe(kernel, chunk, key_dim, value_dim, group + 1)[3] > 2**20


def test_no_more_chunks_than_there_are():
    assert probe("forward", 16, 16, 16, 1, num_chunks=5)[6] == 5
