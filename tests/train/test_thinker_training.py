"""Training a Thinker in two stages: what a run keeps, resuming, what is frozen, two learning rates, and several processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from sfm_ms.recipe import RecipeError, load
from sfm_ms.train.building import model_of, weights_of
from sfm_ms.train.run_folder import RunError, RunFolder
from sfm_ms.train.trainer import train

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "debug/thinker"
STAGE_2 = ("init_from=debug-thinker", "name=stage2", "training.frozen=[]", "training.steps=3", "training.validate_every=100")
RATES = ("optimizer.learning_rate=1e-3", "optimizer.groups=[{prefix: base, learning_rate: 1e-5}]", "optimizer.weight_decay=0")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    train(load(RECIPE), folder)
    return folder


def weights(run, step):
    return load_file(run / f"checkpoints/step_{step}/model.safetensors")


def test_stage_1_trains_blocks_and_heads_only(runs):
    run = runs / "debug-thinker"
    first, last = weights(run, 4), weights(run, 6)
    assert {name.split(".")[0] for name in last} == {"sfm", "judge_head", "surprise_head"}
    assert all(not np.array_equal(first[name], last[name]) for name in last)
    assert json.loads((run / "checkpoints/step_6/state.json").read_text())["task"]["accuracies"].keys() == {"1"}
    assert (run / "metrics.csv").read_text().splitlines()[0].endswith("validation_exact_match,validation_judge_auc")


def test_a_run_taken_up_again_ends_as_it_did(runs, tmp_path):
    shutil.copytree(runs, tmp_path, symlinks=True, dirs_exist_ok=True)
    run = tmp_path / "debug-thinker"
    shutil.rmtree(run / "checkpoints/step_6")
    train(load(RECIPE), tmp_path)
    for name in ("model.safetensors", "optimizer.safetensors"):
        ends = [(folder / "debug-thinker/checkpoints/step_6" / name).read_bytes() for folder in (runs, tmp_path)]
        assert ends[0] == ends[1], name
    assert (run / "metrics.csv").read_bytes() == (runs / "debug-thinker/metrics.csv").read_bytes()


def test_stage_2_goes_on_from_stage_1_with_two_learning_rates(runs):
    recipe = load(RECIPE, [*STAGE_2, *RATES])
    before = {parameter.name: parameter.asnumpy() for parameter in model_of(recipe, runs).get_parameters()}
    of_stage_1 = weights_of(RunFolder(runs / "debug-thinker"))
    untrained = {parameter.name: parameter.asnumpy() for parameter in model_of(load(RECIPE), runs).get_parameters()}
    for name, value in before.items():
        assert np.array_equal(value, of_stage_1.get(name, untrained[name])), name
    train(recipe, runs)
    after = weights(runs / "stage2", 3)
    moved = {name: np.abs(after[name] - value).max() for name, value in before.items()}
    tokenizers = [(runs / run / "tokenizer.json").read_bytes() for run in ("debug-thinker", "stage2")]
    assert tokenizers[0] == tokenizers[1]
    # Three steps of AdamW move a number by at most about three times its learning rate, and some by nearly as much.
    of_base, of_sfm = ([m for name, m in moved.items() if name.startswith("base.") is is_base] for is_base in (True, False))
    assert min(of_base) > 0 and 1e-5 < max(of_base) < 4e-5 and 1e-3 < max(of_sfm) < 4e-3


def test_what_does_not_fit_is_named(runs):
    with pytest.raises(RunError, match="no run 'gone'"):
        model_of(load(RECIPE, ["init_from=gone"]), runs)
    with pytest.raises(RecipeError, match=r"training.frozen: no parameter's name begins with 'bas\.'"):
        model_of(load(RECIPE, ["training.frozen=[bas]"]), runs)
    with pytest.raises(RecipeError, match=r"model.checkpoint: .*gone"):
        model_of(load(RECIPE, ["model.checkpoint=gone"]), runs)
    golden = ROOT / "tests/models/golden/tied"
    with pytest.raises(RecipeError, match=r"model\.checkpoint"):
        model_of(load(RECIPE, [f"model.checkpoint={golden}"]), runs)


def started(folder, num_processes, *arguments):
    msrun = f"msrun --worker_num={num_processes} --local_worker_num={num_processes} --log_dir=log --join=True"
    command = [*msrun.split(), f"--master_port={9400 + os.getpid() % 500}", str(ROOT / "tools/train.py"), RECIPE, *arguments]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_whole_batch(tmp_path):
    common = ("training.steps=20", "training.frozen=[]", "training.micro_batches=1", "training.validate_every=20")
    alone = train(load(RECIPE, [*common, "name=alone", "training.batch_size=4"]), tmp_path / "runs")[0]
    done = started(tmp_path, 2, *common, "name=two", "training.batch_size=2")
    assert done.returncode == 0, done.stdout + done.stderr
    expected, found = (weights(run, 20) for run in (alone.path, tmp_path / "runs/two"))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert np.allclose(found[name], value, rtol=0, atol=5e-6), name
    assert (tmp_path / "runs/two/results.json").is_file()
