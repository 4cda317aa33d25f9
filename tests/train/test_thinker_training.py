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
from test_cli import wait_for

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


TWENTY_STEPS = ("training.steps=20", "training.frozen=[]", "training.micro_batches=1", "training.validate_every=20")


def started(folder, num_processes, *arguments):
    """A job of so many processes, its output in `folder`/output."""
    msrun = f"msrun --worker_num={num_processes} --local_worker_num={num_processes} --log_dir=log --join=True"
    command = [*msrun.split(), f"--master_port={9400 + os.getpid() % 500}", str(ROOT / "tools/train.py"), RECIPE, *arguments]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with (folder / "output").open("w") as output:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder of a run of two processes, left alone."""
    folder = tmp_path_factory.mktemp("two")
    job = started(folder, 2, *TWENTY_STEPS, "name=two", "training.batch_size=2")
    assert job.wait(600) == 0, (folder / "output").read_text()
    return folder / "runs/two"


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_whole_batch(two, tmp_path):
    alone = train(load(RECIPE, [*TWENTY_STEPS, "name=alone", "training.batch_size=4"]), tmp_path / "runs")[0]
    expected, found = (weights(run, 20) for run in (alone.path, two))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert np.allclose(found[name], value, rtol=0, atol=5e-6), name
    assert (two / "results.json").is_file()


@pytest.mark.slow
def test_a_killed_process_ends_the_job_within_a_minute_and_the_next_one_goes_on(two, tmp_path):
    arguments = (2, *TWENTY_STEPS, "name=killed", "training.batch_size=2", "training.checkpoint_every=5")
    job = started(tmp_path, *arguments)
    wait_for(tmp_path / "runs/killed/checkpoints/step_5", job)
    subprocess.run(["pkill", "-KILL", "--newest", "--full", "train.py.*name=killed"], check=True)
    assert job.wait(60) != 0
    assert "Error code: -9" in (tmp_path / "output").read_text()
    job = started(tmp_path, *arguments)
    assert job.wait(600) == 0, (tmp_path / "output").read_text()
    assert "from step 0 to 20" not in (tmp_path / "output").read_text()
    expected, found = weights(two, 20), weights(tmp_path / "runs/killed", 20)
    assert all(np.array_equal(found[name], value) for name, value in expected.items())
