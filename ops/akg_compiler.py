"""Kernels in MindSpore's hybrid DSL, of which the AKG compiler bundled with MindSpore makes machine code."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import mindspore
from mindspore import ops

from sfm_ms.ops import checks

NEEDS = ("decorator", "sympy")  # what the bundled AKG imports and MindSpore does not install


def compiled(function, like: int) -> ops.Custom:
    """The kernel as an operator whose result is of the shape and type of one argument. AKG guesses wrongly if not told."""
    return ops.Custom(function, lambda *shapes: shapes[like], lambda *types: types[like], func_type="hybrid")


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
