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
