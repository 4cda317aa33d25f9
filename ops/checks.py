"""What operators refuse: shapes, types and values that do not fit, each named with what was expected.

Shapes and types are checked wherever an operator is called, in graphs when they are compiled. Values can be looked at
outside of graphs only, where a call brings tensors and not their descriptions. A `form` is (shape, type), or None for an
argument that is not there.
"""

from __future__ import annotations

import os

import mindspore
import numpy as np

DEBUG = "SFM_OPS_DEBUG"  # the environment variable that has operators look for NaN and infinity in all they take and return
FLOATS = (mindspore.float32, mindspore.float16)


def form(x):
    """What can be known of an argument when a graph is compiled."""
    return None if x is None else (x.shape, x.dtype)


def rank(name: str, form, names: str) -> None:
    """ValueError unless there are as many axes as names, and none is empty."""
    if len(form[0]) != names.count(",") + 1 or 0 in form[0]:
        raise ValueError(f"{name}: expected shape {names} without empty axes, got {form[0]}")


def shape(name: str, form, names: str, expected: tuple) -> None:
    if form is not None and form[0] != expected:
        raise ValueError(f"{name}: expected shape {names} = {expected}, got {form[0]}")


def dtype(name: str, form, expected: tuple) -> None:
    if form is not None and form[1] not in expected:
        raise ValueError(f"{name}: expected {' or '.join(str(one).lower() for one in expected)}, got {str(form[1]).lower()}")


def values(name: str, x, is_right, expected: str) -> None:
    """`is_right` maps an array to whether its elements are right; NaN is left to `finite`."""
    if x is not None:
        array = x.asnumpy()
        refuse(name, array, ~(is_right(array) | np.isnan(array)), expected)


def decays(log_decay, sign) -> None:
    values("log_decay", log_decay, lambda x: x <= 0, "values of 0 or less")
    values("sign", sign, lambda x: np.abs(x) == 1, "values of 1 or -1")


def finite(tensors: dict) -> None:
    """ValueError if one holds NaN or infinity, where SFM_OPS_DEBUG is set; minus infinity is a log_decay like any other."""
    if os.environ.get(DEBUG):
        for name, x in tensors.items():
            if x is not None:
                array = x.asnumpy()
                is_right = np.isfinite(array) | (np.isneginf(array) & (name == "log_decay"))
                refuse(name, array, ~is_right, f"finite values ({DEBUG} is set)")


def refuse(name: str, array: np.ndarray, wrong: np.ndarray, expected: str) -> None:
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        count = f", the first of {wrong.sum()} such" if wrong.sum() > 1 else ""
        raise ValueError(f"{name}: expected {expected}, got {array[where]:g} at {where}{count}")


def needs_cpu() -> str:
    """Why NumPy can't run as part of a graph here, or nothing."""
    device = mindspore.get_context("device_target")
    return "" if device == "CPU" else f"the device is {device}"
