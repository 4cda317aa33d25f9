"""The only file that sets MindSpore's context: device, mode, log level, and the processes that `msrun` started."""

from __future__ import annotations

import os


def start() -> None:
    """Call before anything else imports MindSpore: graph mode, and of MindSpore's own messages only errors.

    The device is the one that SFM_DEVICE names, otherwise Ascend where MindSpore finds one, otherwise the CPU.
    """
    os.environ.setdefault("GLOG_v", "3")  # read once, when MindSpore is imported
    import mindspore

    found = "Ascend" if mindspore.device_context.ascend.is_available() else "CPU"
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    mindspore.set_device(os.environ.get("SFM_DEVICE", found))
    if "MS_ROLE" in os.environ:  # under msrun, whose scheduler process waits in here until the workers have ended
        mindspore.communication.init()


def overflow_saturates() -> bool:
    """Whether the device makes the largest number of what overflows, and notes that in a register, instead of infinity.

    The first Ascend 910 always does, later ones where MS_ASCEND_CHECK_OVERFLOW_MODE asks for it.
    """
    import mindspore
    from mindspore._c_expression import MSContext

    if mindspore.get_context("device_target") != "Ascend":
        return False
    is_first = MSContext.get_instance().get_ascend_soc_version() == "ascend910"
    return is_first or os.environ.get("MS_ASCEND_CHECK_OVERFLOW_MODE") == "SATURATION_MODE"
