"""tools/build_ascend_ops.sh where there is no CANN: what it collects, what it refuses, and what it hands on."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OPERATORS = {"gated_delta_rule_forward", "gated_delta_rule_backward", "signed_scan", "signed_scan_reversed"}
INSTALLER = """#!/bin/bash
mkdir -p "$ASCEND_CUSTOM_OPP_PATH/vendors/sfm_ms"
"""


def build(*arguments, **environment):
    command = ["sh", "tools/build_ascend_ops.sh", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "ASCEND_HOME_PATH"} | environment
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_all_operators_are_collected_and_find_what_they_include(tmp_path):
    result = build("-c", tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    for part in ("op_host", "op_kernel"):
        files = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / part).iterdir()}
        assert {name.removesuffix(".cpp") for name in files if name.endswith(".cpp")} == OPERATORS
        sources = {path.name for path in ROOT.glob(f"ops/**/ascendc/{part}/*")}
        assert set(files) == sources
        for name, text in files.items():
            included = [line.split('"')[1] for line in text.splitlines() if line.startswith('#include "')]
            for header in included:
                is_cann = header == "kernel_operator.h" or header.startswith(("register/", "tiling/"))
                assert is_cann or (tmp_path / part / header).is_file(), (name, header)


def test_each_kernel_has_the_name_of_its_file_and_each_operator_its_kernels_in_camel_case(tmp_path):
    build("-c", tmp_path)
    for name in OPERATORS:
        op_type = "".join(word.capitalize() for word in name.split("_"))
        assert f"OP_ADD({op_type});" in (tmp_path / "op_host" / f"{name}.cpp").read_text(encoding="utf-8")
        kernel = (tmp_path / "op_kernel" / f"{name}.cpp").read_text(encoding="utf-8")
        assert kernel.count("__global__ __aicore__") == 1 and f"__global__ __aicore__ void {name}(" in kernel


def test_a_folder_with_files_of_the_same_names_is_refused(tmp_path):
    assert build("-c", tmp_path).returncode == 0
    result = build("-c", tmp_path)
    assert result.returncode == 2 and "there is a second " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-x"], "usage: "),
        (["now"], "expected options only, got now"),
        (["-s", "ascend910;ascend310p"], "-s: expected ascend910, ascend910b or both with a semicolon, got ascend310p"),
        ([], "CANN not found: ASCEND_HOME_PATH is not set"),
    ],
)
def test_wrong_calls(arguments, message):
    result = build(*arguments)
    assert result.returncode == 2 and message in result.stderr


def test_a_folder_that_is_not_cann(tmp_path):
    result = build(ASCEND_HOME_PATH=str(tmp_path))
    assert result.returncode == 2 and f"ASCEND_HOME_PATH is {tmp_path}, where there is no folder tools" in result.stderr


@pytest.fixture
def cann(tmp_path):
    """What MindSpore's compiler needs of CANN: a project whose build makes an installer, here one that only makes a folder."""
    project = tmp_path / "cann" / "tools" / "op_project_templates" / "ascendc" / "customize"
    for folder in (project / "op_host", project / "op_kernel", project.with_name("common")):
        folder.mkdir(parents=True)
    names = ("ASCEND_CANN_PACKAGE_PATH", "ASCEND_COMPUTE_UNIT", "vendor_name")
    presets = {"configurePresets": [{"cacheVariables": {name: {"value": ""} for name in names}}]}
    (project / "CMakePresets.json").write_text(json.dumps(presets))
    (project / "installer").write_text(INSTALLER)
    (project / "build.sh").write_text(f"cp -r . {tmp_path}/project && mkdir build_out && cp installer build_out/custom.run\n")
    return tmp_path / "cann"


def test_what_mindspores_compiler_is_given(cann, tmp_path):
    result = build("-s", "ascend910", "-i", tmp_path / "here", ASCEND_HOME_PATH=str(cann))
    assert result.returncode == 0, result.stderr
    assert f"export ASCEND_CUSTOM_OPP_PATH={tmp_path}/here/vendors/sfm_ms:$ASCEND_CUSTOM_OPP_PATH" in result.stdout
    presets = json.loads((tmp_path / "project" / "CMakePresets.json").read_text())
    variables = presets["configurePresets"][0]["cacheVariables"]
    assert [variable["value"] for variable in variables.values()] == [str(cann), "ascend910", "sfm_ms"]
    for part in ("op_host", "op_kernel"):
        assert {path.stem for path in (tmp_path / "project" / part).glob("*.cpp")} == OPERATORS


def test_a_build_that_fails(cann, tmp_path):
    (cann / "tools" / "op_project_templates" / "ascendc" / "customize" / "build.sh").write_text("exit 3\n")
    result = build("-i", tmp_path / "here", ASCEND_HOME_PATH=str(cann))
    assert result.returncode == 1 and "Compile failed" in result.stderr and "export" not in result.stdout
