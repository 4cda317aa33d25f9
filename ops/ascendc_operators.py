"""Ascend C kernels as operators: those that tools/build_ascend_ops.sh has built and installed for this chip."""

from __future__ import annotations

import json
import os
from pathlib import Path

import mindspore
from mindspore import ops
from mindspore._c_expression import MSContext
from mindspore.ops import CustomRegOp

BUILD_COMMAND = "sh tools/build_ascend_ops.sh"
FOLDERS = "ASCEND_CUSTOM_OPP_PATH"  # the environment variable in which CANN and MindSpore look for operators


def why_not(*op_types: str) -> str:
    """Why these operators can't run here, or nothing."""
    device = mindspore.get_context("device_target")
    if device != "Ascend":
        return f"the device is {device}"
    chip = MSContext.get_instance().get_ascend_soc_version()
    if missing := [op_type for op_type in op_types if op_type not in installed(chip)]:
        return (
            f"no folder of {FOLDERS} has {' and '.join(missing)} for {chip}; "
            f"where there is CANN, run {BUILD_COMMAND!r} in the checkout and export what it says"
        )
    return ""


def installed(chip: str) -> set[str]:
    """The types of all operators that are installed for `chip` ("ascend910", "ascend910b") outside of CANN itself."""
    found = set()
    for folder in filter(None, os.environ.get(FOLDERS, "").split(":")):
        listed = Path(folder) / "op_impl" / "ai_core" / "tbe" / "config" / chip / f"aic-{chip}-ops-info.json"
        if listed.is_file():
            found |= json.loads(listed.read_text(encoding="utf-8")).keys()
    return found


def operator(op_type: str, inputs: dict, outputs: dict, out_shape) -> ops.Custom:
    """The operator of that type; `inputs` and `outputs` map names, as in its op_host, to types.

    `out_shape` maps the shapes of the inputs to that of the output, or to a tuple of those of all. The registration is given,
    as the one that MindSpore 2.9 makes from CANN's files sorts arguments by their names and so puts the 11th after the second.
    """
    info = CustomRegOp(op_type)
    for index, name in enumerate(inputs):
        info.input(index, name, "required")
    for index, name in enumerate(outputs):
        info.output(index, name, "required")
    types = tuple(outputs.values())
    info.dtype_format(*[(str(one).lower(), "DefaultFormat") for one in (*inputs.values(), *types)])
    registration = info.target("Ascend").get_op_info()
    return ops.Custom(op_type, out_shape, types if len(types) > 1 else types[0], func_type="aot", reg_info=registration)
