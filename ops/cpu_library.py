"""The shared library of the CPU kernels: C++ that `setup.py` compiles when the package is installed."""

from __future__ import annotations

import functools
from pathlib import Path

import mindspore

from sfm_ms.ops import checks

BUILD_COMMAND = "pip install --force-reinstall --no-deps -e ."


@functools.cache
def library() -> Path | None:
    """Where the library lies; None if it was not built."""
    return next(Path(__file__).with_name("cpu").glob("kernels*.so"), None)


def why_not() -> str:
    """Why the kernels can't run here, or nothing."""
    if reason := checks.needs_cpu():
        return reason
    if library() is None:
        return f"its library was not built; where there is g++, run {BUILD_COMMAND!r} in the checkout"
    return ""


def kernel(function: str, out_shape, out_dtype) -> mindspore.ops.Custom:
    """A function of the library as an operator; `out_shape` and `out_dtype` map the arguments' to those of the results."""
    return mindspore.ops.Custom(f"{library()}:{function}", out_shape, out_dtype, func_type="aot")
