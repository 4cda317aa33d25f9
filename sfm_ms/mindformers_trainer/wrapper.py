"""MindFormers' training step, also for a CPU."""

from __future__ import annotations

import mindspore
from mindformers.tools.register import MindFormerModuleType, MindFormerRegister
from mindformers.wrapper import MFTrainOneStepCell


@MindFormerRegister.register(MindFormerModuleType.WRAPPER)
class ThinkerTrainOneStepCell(MFTrainOneStepCell):
    """On Ascend the same. On a CPU overflows are looked for as on a 910B without its fused operator: is a gradient not finite?

    MindSpore takes any device that is neither a GPU nor a 910B for a 910, whose register a CPU has not.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        if mindspore.get_context("device_target") == "CPU":
            self.ascend_910b_target, self.enable_allfinite = True, False
