"""The only file that sets MindSpore's context: device, mode, log level."""

from __future__ import annotations

import os


def start() -> None:
    """Call before anything else imports MindSpore: graph mode on the CPU, and only errors from its C++ side."""
    os.environ.setdefault("GLOG_v", "3")  # read once, when MindSpore is imported
    import mindspore

    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    mindspore.set_device("CPU")
