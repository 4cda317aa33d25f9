"""What a chip lacks does not compile, and the compiler says what is missing; what has changed is compiled again."""

from pathlib import Path

import numpy as np
import pytest

from sfm_ms.ops.ascendc_sim import BuildError, build, simulate

REJECTED = Path(__file__).with_name("kernels") / "rejected.cpp"
BOTH = ["GET_TILING_DATA: the 910A does not support it", "Add: this chip", "Mmad: half x half -> float", "Exp: this chip"]
TEXTS = {
    "910A": [
        "the 910A has no DataCopyPad",
        "the 910A has no ND to NZ copy",
        "the 910A has no Brcb",
        "the 910A has no Gather",
        "the 910A has no Copy",
        "the 910A has no Fixpipe",
        "Maxs: this chip",
        "no flags between cores",
        "the 910A has no counting mask",
        "SetAtomicAdd: float",
        "the 910A has no bfloat16_t",
        "Relu: this chip",
        "Cast: this chip has no conversion",
        *BOTH,
    ],
    "910B": ["the 910B has no path between L0C and UB", "And: this chip", *BOTH],
}


@pytest.fixture(scope="module")
def errors():
    found = {}
    for chip in TEXTS:
        with pytest.raises(BuildError) as caught:
            build(REJECTED, chip)
        found[chip] = caught.value.output
    return found


@pytest.mark.parametrize("chip, text", [(chip, text) for chip, texts in TEXTS.items() for text in texts])
def test_is_rejected(errors, chip, text):
    assert any("error" in line and text in line for line in errors[chip].splitlines())


def test_nothing_of_the_910a_list_is_rejected_on_the_910b(errors):
    for text in TEXTS["910A"]:
        assert text in BOTH or text not in errors["910B"]


def test_a_changed_header_is_compiled_again(tmp_path):
    """Also one that lies outside of the kernel's folder."""
    (tmp_path / "kernel folder").mkdir()
    kernel, header = tmp_path / "kernel folder" / "writes.cpp", tmp_path / "value.h"
    kernel.write_text(
        '#include "kernel_operator.h"\n#include "../value.h"\n'
        'extern "C" void writes(GM_ADDR y, GM_ADDR workspace, GM_ADDR tiling) { y[0] = VALUE; }\n'
    )
    written = []
    for value in (1, 2, 2):
        header.write_text(f"#define VALUE {value}\n")
        written.append(int(simulate(kernel, "writes", "910A", [np.zeros(1, np.uint8)]).outputs[0][0]))
    assert written == [1, 2, 2]
