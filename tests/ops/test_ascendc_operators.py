"""How installed Ascend C operators are found, and that MindSpore is told of them what their host side tells CANN."""

import json
import re
from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

from sfm_ms.ops import ascendc_operators
from sfm_ms.ops.ascendc_operators import why_not
from sfm_ms.ops.gated_delta_rule.ascendc import kernels as gated_delta_rule
from sfm_ms.ops.gated_delta_rule.ascendc.arguments import Decays
from sfm_ms.ops.signed_scan.ascendc import kernels as signed_scan

OPS = Path(ascendc_operators.__file__).parent
TYPES = {"half": "float16", "fp32": "float32", "values": "float32"}  # of host side and MindSpore; values: x, which may be either


@pytest.fixture
def ascend910(monkeypatch, tmp_path):
    """Seems to run on a 910 with the folder `tmp_path`; returns what installs operators there."""

    class Context:
        get_ascend_soc_version = staticmethod(lambda: "ascend910")

    monkeypatch.setattr(mindspore, "get_context", {"device_target": "Ascend"}.get)
    monkeypatch.setattr(ascendc_operators.MSContext, "get_instance", lambda: Context, raising=False)
    monkeypatch.setenv("ASCEND_CUSTOM_OPP_PATH", f"/nowhere:{tmp_path}:")

    def install(chip, *op_types):
        folder = tmp_path / "op_impl" / "ai_core" / "tbe" / "config" / chip
        folder.mkdir(parents=True)
        (folder / f"aic-{chip}-ops-info.json").write_text(json.dumps({op_type: {} for op_type in op_types}))

    return install


def test_only_on_ascend():
    assert why_not("SignedScan") == "the device is CPU"


def test_an_operator_that_is_not_installed_is_named(ascend910):
    message = "no folder of ASCEND_CUSTOM_OPP_PATH has Mine and Other for ascend910; where there is CANN, run"
    ascend910("ascend910b", "Mine", "Other")
    assert why_not("Mine", "Other").startswith(message) and ascendc_operators.BUILD_COMMAND in why_not("Mine")
    ascend910("ascend910", "Mine")
    assert why_not("Mine") == "" and "has Other for ascend910" in why_not("Mine", "Other")


def test_nothing_is_installed_where_the_variable_is_not_set(ascend910, monkeypatch):
    monkeypatch.delenv("ASCEND_CUSTOM_OPP_PATH")
    assert "has Mine for" in why_not("Mine")


def declared(text: str) -> list[tuple[str, str]]:
    return [(name, TYPES[kind]) for name, kind in re.findall(r'\{"(\w+)", (\w+)\}', text)]


@pytest.mark.parametrize(
    ("host", "operator"),
    [
        ("gated_delta_rule/ascendc/op_host/gated_delta_rule_forward.cpp", gated_delta_rule.forward),
        ("gated_delta_rule/ascendc/op_host/gated_delta_rule_backward.cpp", gated_delta_rule.backward),
        ("signed_scan/ascendc/op_host/scan_definition.h", lambda: signed_scan.kernel(False)),
    ],
    ids=["forward", "backward", "scan"],
)
def test_both_sides_declare_the_same_arguments(host, operator):
    source = (OPS / host).read_text(encoding="utf-8")
    inputs, outputs = re.search(r"Declare\(\S+,\s*\{(\{.*?\})\},\s*\{(\{.*?\})\}\);", source, re.DOTALL).groups()
    info = operator().reg_info
    names = [argument["name"] for argument in (*info["inputs"], *info["outputs"])]
    types = [kind for kind, _ in info["dtype_format"][0]]
    assert list(zip(names, types, strict=True)) == declared(inputs) + declared(outputs)
    assert [argument["index"] for argument in info["inputs"]] == list(range(len(info["inputs"])))


def test_decays_have_the_types_that_the_kernels_are_told():
    arrays, _ = Decays(16)(*(Tensor(np.ones(shape, np.float32)) for shape in [(1, 16, 1)] * 3))
    assert [array.dtype for array in arrays] == list(gated_delta_rule.DECAYS.values())
