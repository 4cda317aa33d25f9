"""Whether the AKG compiler that is bundled with MindSpore can make machine code of kernels in the hybrid DSL here."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import mindspore

from sfm_ms.ops import checks

NEEDS = ("decorator", "sympy")  # what the bundled AKG imports and MindSpore does not install


def why_not() -> str:
    """Why AKG can't run here, or nothing."""
    if reason := checks.needs_cpu():
        return reason
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        return f"AKG needs {' and '.join(missing)}; install the extra 'akg'"
    if not (Path(mindspore.__file__).parent / "_akg").is_dir():
        return "this MindSpore comes without AKG"
    return ""
