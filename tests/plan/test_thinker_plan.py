"""What `sfm check` computes of a Thinker's training: kinds of memory counted by hand, FLOPs, sizes of 1.5B, what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sfm_ms import cli
from sfm_ms.plan import plan
from sfm_ms.recipe import RecipeError, load
from sfm_ms.recipe.schema import Hardware

ROOT = Path(__file__).resolve().parents[2]
ASCEND = "hardware.kind=ascend"
# Of debug/thinker: rows, places, width D, F, heads H, width of keys G K, vocabulary Y, layers, width C of blocks and their heads.
B, T, D, F, H, KV, Y, L, C, BLOCK_HEADS = 2, 384, 32, 48, 4, 16, 320, 2, 16, 2
N = B * T
TABLE = Y * D
MATRICES = 2 * D * D + 2 * D * KV + 3 * D * F  # of a layer: query, output, key, value, gate, up, down
LAYER = MATRICES + D + 2 * KV + 2 * D  # with biases and the gains of two norms
IN_BLOCK = 2 * D * C + C * 4 * C + 2 * C * BLOCK_HEADS
CONVOLUTION = 4 * 3 * C
BLOCK = IN_BLOCK + CONVOLUTION + 2 * BLOCK_HEADS + D
HEADS = 2 * (D * 8 + 8 + 8 + 1) + 2 * 8  # the judge also hears two doubts
BASE = TABLE + L * LAYER + D
SIZES_1_5B = {"base": 1_543_714_304, "sfm": 4_245_632, "heads": 295_554}


def planned(*overrides, recipe="debug/thinker"):
    return plan(load(recipe, overrides))


def moment(name, *overrides):
    return planned(ASCEND, *overrides).memory[name]


def test_parameters_of_a_small_one():
    found = planned()
    assert {name: part.parameters for name, part in found.parts.items()} == {"base": BASE, "sfm": 2 * BLOCK, "heads": HEADS}
    assert found.trained == {"base": 0, "sfm": 2 * BLOCK, "heads": HEADS} and found.num_parameters == BASE + 2 * BLOCK + HEADS
    assert planned("training.frozen=[base.table_YD, sfm.0]").trained == {"base": BASE - TABLE, "sfm": BLOCK, "heads": HEADS}


def test_what_is_always_there():
    learning = 2 * BLOCK + HEADS
    kinds = moment("backward")
    assert kinds["weights"] == 4 * (BASE + learning) and kinds["master copies"] == 0
    assert kinds["gradients"] == 4 * learning and kinds["Adam's moments"] == 8 * learning


def test_half_types_have_master_copies_of_what_learns():
    everything = BASE + 2 * BLOCK + HEADS
    for dtype in ("float16", "bfloat16"):
        kinds = moment("backward", f"model.dtype={dtype}", "training.frozen=[]")
        assert kinds["weights"] == 2 * BASE + 4 * (2 * BLOCK + HEADS) and kinds["master copies"] == 4 * BASE
        assert kinds["gradients"] >= 4 * everything and kinds["Adam's moments"] == 8 * everything
        assert moment("backward", f"model.dtype={dtype}")["master copies"] == 0


def test_devices_share_masters_and_moments_but_not_gradients():
    alone, shared = (moment("update", "training.frozen=[]", f"hardware.devices={devices}") for devices in (1, 3))
    assert alone["weights"] == shared["weights"] and alone["gradients"] == shared["gradients"]
    state = "Adam's moments"
    assert alone[state] / 3 <= shared[state] < alone[state] * 0.4  # parameters are shared out whole
    of_largest = 2 * 4 * TABLE
    assert alone["new values"] == 12 * (BASE + 2 * BLOCK + HEADS) + of_largest
    assert 2 * (shared["new values"] - of_largest) == 3 * shared[state]


def test_mindformers_adamw_keeps_a_copy_of_the_gradients():
    ours, theirs = (moment("update", f"optimizer.adamw={whose}") for whose in ("sfm_ms", "mindformers"))
    assert theirs == {**ours, "gradients": ours["gradients"] + 4 * (2 * BLOCK + HEADS)}


OF_BLOCK = N * (D * 4 + 21 * C + 13 * BLOCK_HEADS)  # x, 2 x, its norm, what is added; 21 numbers inside
OF_LAST_NORM = N * D * 4  # x, 2 x, x / rms, the output
OF_LAYER = N * (10 * D + 2 * KV + H * T + 5 * F)
FROZEN = N * (4 * D + D + 2 * KV + H * T + 4 * F)  # no product's input, no x / rms


def test_activations_of_everything_that_learns():
    kinds = moment("loss", "training.frozen=[]")
    assert kinds["activations"] == 4 * (L * OF_LAYER + 2 * OF_BLOCK + OF_LAST_NORM)


def test_frozen_layers_keep_what_the_gradient_passes_through_and_those_before_what_learns_nothing():
    # layer 0 has no gradient, and the block after it none with respect to what it reads
    kinds = moment("loss")
    assert kinds["activations"] == 4 * (FROZEN + OF_BLOCK - 2 * N * D + OF_BLOCK + OF_LAST_NORM - N * D)


def test_recomputed_layers_keep_what_they_read():
    kinds = moment("loss", "training.frozen=[]", "model.recompute=true")
    assert kinds["activations"] == 4 * ((L + 2) * N * D + OF_LAST_NORM + B * T * T)
    anew = moment("backward", "training.frozen=[]", "model.recompute=true")["activations"]
    assert anew == kinds["activations"] + 4 * (OF_LAYER + N * (F + 4 * D))


def test_lora_keeps_the_inputs_of_its_products():
    kinds = moment("loss", "training.frozen=[]", "model.lora_rank=3", "model.sfm_layers=[]")
    inputs = N * (3 * D + F + 7 * 3)  # of query, key and value; of output; of gate and up; of down; and seven of R numbers
    first = FROZEN - 2 * N * D + inputs  # nothing learns before its first products
    assert kinds["activations"] == 4 * (first + FROZEN + inputs + OF_LAST_NORM - N * D)
    assert planned("model.lora_rank=3", "training.frozen=[]").trained["base"] == L * 3 * (9 * D + 2 * KV + 3 * F)


def test_logits_of_a_chunk_of_the_vocabulary():
    assert moment("loss")["logits"] == 4 * (6 * N * Y + TABLE)  # all of it
    chunk = 8192
    assert moment("loss", f"task.vocabulary={4 * chunk}")["logits"] == 4 * (6 * N * chunk + chunk * D)
    assert moment("loss", f"task.vocabulary={4 * chunk + 16}")["logits"] == 4 * (6 * N * chunk + 16 * N + chunk * D)


def test_a_table_that_is_also_the_head_has_a_gradient_from_each():
    learning = BASE + 2 * BLOCK + HEADS
    assert moment("gradients", "training.frozen=[]")["gradients"] == 4 * learning + 12 * TABLE
    untied = moment("gradients", "training.frozen=[]", "model.is_tied=false")["gradients"]
    assert untied == 4 * (learning + TABLE) + 8 * TABLE


def test_micro_batches_share_a_batch_and_only_a_cpu_has_tables():
    one, two = (planned(f"training.micro_batches={number}") for number in (1, 2))
    for kind in ("activations", "logits", "tables (CPU)"):
        assert one.memory["loss"][kind] == pytest.approx(2 * two.memory["loss"][kind], rel=0.01)
    assert one.work.forward == 2 * two.work.forward
    assert not any("CPU" in kind for kind in moment("loss"))


def test_flops():
    of_layer, of_block = 2 * N * (MATRICES + 2 * T * D), 2 * N * (IN_BLOCK + CONVOLUTION + 3 * BLOCK_HEADS * 8 * 8)
    of_surprise = 2 * B * 2 * (D * 8 + 8)
    of_judge = of_surprise + 2 * B * 2 * 2 * 8
    logits = 2 * N * TABLE
    of_all = planned("training.frozen=[]").work
    of_heads = of_judge + of_surprise
    assert of_all.forward == L * of_layer + 2 * of_block + logits + of_heads
    texts = sum(part.flops for part in planned().parts.values())
    assert of_all.forward - of_heads == B * texts - B * planned().parts["heads"].flops
    assert of_all.backward == 2 * (of_all.forward - of_heads) + of_heads + of_judge and of_all.again == logits
    frozen = planned().work
    attention, first = 2 * N * 2 * T * D, 2 * N * D * C
    in_layer = 2 * N * MATRICES + 2 * attention
    assert (
        frozen.backward == in_layer + 2 * (2 * of_block) - first + logits + of_heads + of_judge
    )  # what is hidden does not hear of the surprise
    again = planned("model.recompute=true").work.again
    assert again == of_layer + 2 * of_block + logits


def test_projected_time_is_that_of_products_bytes_and_messages():
    assert planned().times is None
    hardware = ["hardware.peak_tflops=0.5", "hardware.devices=4", "training.frozen=[]", "training.micro_batches=4"]
    times = planned(*hardware).times
    work, learning = planned(*hardware).work, BASE + 2 * BLOCK + HEADS
    assert times.products == pytest.approx(4 * work.made / 0.25e12) and (times.memory, times.link) == (0, 0)
    assert times.utilisation == pytest.approx(0.5 * work.needed / work.made)
    times = planned(*hardware, "hardware.link_gb_per_s=0.001", "hardware.memory_gb_per_s=0.001").times
    assert times.link == pytest.approx(3 * 4 * learning * 3 / 4 / 1e6) and times.memory > 0
    assert times.utilisation == pytest.approx(4 * work.needed / 0.5e12 / times.step)


@pytest.mark.parametrize("stage", ["thinker/stage1", "thinker/stage2", "thinker/stage2_910b"])
def test_1_5b_takes_neither_a_checkpoint_nor_its_memory(stage):
    found = planned(recipe=stage)
    assert {name: part.parameters for name, part in found.parts.items()} == SIZES_1_5B
    assert found.trained == (SIZES_1_5B | {"base": 0} if stage == "thinker/stage1" else SIZES_1_5B)
    assert found.memory["loss"]["weights"] == 2 * SIZES_1_5B["base"] + 4 * (SIZES_1_5B["sfm"] + SIZES_1_5B["heads"])


def test_7b_with_lora_trains_a_hundredth_of_it():
    found = planned(recipe="thinker/lora")
    assert 7.6e9 < found.num_parameters < 7.7e9 and found.trained["base"] == 40_370_176


def test_a_plan_that_does_not_fit_says_what_takes_most_and_what_to_change(capsys):
    assert cli.main(["check", "debug/thinker", "hardware.memory_gib=0.2"]) == cli.WRONG_INPUT
    out, err = capsys.readouterr()
    assert "memory per device" in out and "FLOPs of a step" in out
    assert "hardware.memory_gib: a device has 0.2 GiB, training takes " in err and "most of it, at the moment 'loss'" in err
    assert "model.recompute=true" in err and "model.num_layers" in err
    cli.main(["check", "debug/thinker", "hardware.memory_gib=0.2", "model.recompute=true"])
    assert "model.recompute=true" not in capsys.readouterr().err
    assert cli.main(["check", "debug/thinker", "hardware.memory_gib=2"]) == cli.DONE
    assert not planned("hardware.memory_gib=2").problem() and not planned().problem()


def test_names_that_are_not_there_and_hardware_of_other_tasks_are_refused():
    with pytest.raises(RecipeError, match=r"training.frozen: no parameter's name begins with 'bass\.'"):
        planned("training.frozen=[bass]")
    with pytest.raises(RecipeError, match="hardware: only the task code_execution takes it, and this is state_tracking"):
        load("debug/state_tracking", ["hardware.devices=2"])
    assert load("debug/thinker").hardware == Hardware() == replace(Hardware(), memory_gib=0.0)


@pytest.mark.slow
def test_measured_memory_is_within_a_tenth_of_the_computed_one():
    tool = [sys.executable, str(ROOT / "tools" / "measure_thinker_memory.py")]
    out = subprocess.run(tool, check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in out.splitlines()[1:]]
    assert [row[0] for row in rows] == ["activations", "parameters", "logits"]
    assert all(abs(float(row[3].rstrip("%"))) < 10 for row in rows), out
