"""The bytes that the Ascend C kernels' host side adds up are those that the kernels take."""

from __future__ import annotations

import numpy as np
import pytest

from sfm_ms.ops import ascendc_sim
from sfm_ms.ops.gated_delta_rule.ascendc.simulated import KERNELS, chunks_per_group, tiling

pytestmark = pytest.mark.skipif(bool(ascendc_sim.why_not()), reason=ascendc_sim.why_not())

PROBE = """
#include "OP_KERNEL/core.h"
#include "OP_KERNEL/gradient_pass.h"
#include "OP_KERNEL/state_pass.h"
#include "OP_HOST/budget.h"

template <typename Problem, typename Pass>
void Compare(GM_ADDR out, GM_ADDR workspace, GM_ADDR tiling, bool is_backward)
{
    Problem problem;
    problem.sizes = *reinterpret_cast<__gm__ sfm::Tiling*>(tiling);
    sfm::Core<Problem, Pass> core(problem);
    core.Init(workspace);
    const sfm::Memories& taken = core.memories;
    const sfm::Bytes bytes = sfm::KernelBytes(problem.sizes, sfm::NUM_SHARES, is_backward);
    const int64_t numbers[] = {taken.l1.Peak(), taken.unified.Peak(), taken.l0c.Peak(), bytes.l1, bytes.unified, bytes.l0c,
                               sfm::L1_BYTES, sfm::UNIFIED_BYTES, sfm::L0C_BYTES};
    AscendC::GlobalTensor<int32_t> result;
    result.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(out));
    for (int32_t i = 0; i < 9; ++i) {
        result.SetValue(i, numbers[i]);
    }
}

extern "C" __global__ __aicore__ void forward(GM_ADDR out, GM_ADDR workspace, GM_ADDR tiling)
{
    Compare<sfm::ForwardProblem, sfm::StatePass>(out, workspace, tiling, false);
}

extern "C" __global__ __aicore__ void backward(GM_ADDR out, GM_ADDR workspace, GM_ADDR tiling)
{
    Compare<sfm::GradientProblem, sfm::GradientPass>(out, workspace, tiling, true);
}
"""


def probe(chip, direction, group, *sizes):
    """Bytes of L1, unified buffer and L0C: those that the kernel takes, those that the host adds up, those that there are."""
    source = PROBE.replace("OP_KERNEL", str(KERNELS)).replace("OP_HOST", str(KERNELS.with_name("op_host")))
    numbers = ascendc_sim.Output((9,), np.int32)
    launch = {"tiling": tiling(1, 1, 99, group, *sizes), "block": "cube", "allow": ("out_of_range",)}
    report = ascendc_sim.simulate(source, direction, chip, [numbers], **launch)
    return report.outputs[0].reshape(3, 3)


@pytest.mark.parametrize("chip", ["910A", "910B"])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_bytes_add_up_and_groups_fit(direction, chip):
    most = 64 if chip == "910A" else 128
    for chunk in (16, 32, 64):
        for key_dim, value_dim in ((16, 16), (16, 128), (64, 64), (128, 32), (128, 128)):
            sizes = (chunk, key_dim, value_dim)
            group = chunks_per_group(f"gated_delta_rule_{direction}", chip, 99, *sizes)
            assert 1 <= group <= min(99, most // (chunk // 16)), sizes
            taken, added_up, there = probe(chip, direction, group, *sizes)
            assert np.array_equal(taken, added_up), sizes
            assert (taken <= there).all(), sizes
            if group < min(99, most // (chunk // 16)):
                assert (probe(chip, direction, group + 1, *sizes)[1] > there).any(), sizes


def test_no_more_chunks_than_there_are():
    assert chunks_per_group("gated_delta_rule_forward", "910A", 5, 16, 16, 16) == 5
