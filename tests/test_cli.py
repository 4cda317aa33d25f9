"""The commands as a user types them: exit codes, messages, resuming, stopping."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from sfm_ms.recipe import names

ROOT = Path(__file__).resolve().parents[1]
TINY = ["task.max_operations=5", "training.segment_statements=10", "task.test_base_operations=3"]
TRAIN = ["train", "debug/state_tracking", *TINY]


def start(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "sfm_ms", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def sfm(folder, *arguments):
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def wait_for(path, process, seconds=600):
    end = time.time() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.time() < end, f"no {path} within {seconds} s"
        time.sleep(0.02)


def refused(folder, *arguments):
    """The message of a command that must end with code 2 and without a traceback."""
    code, out, err = sfm(folder, *arguments)
    assert code == 2 and "Traceback" not in out + err, out + err
    return err


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with one finished run of 40 steps."""
    folder = tmp_path_factory.mktemp("finished")
    code, out, err = sfm(folder, *TRAIN)
    assert code == 0, out + err
    return folder, out


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run."""
    shutil.copytree(finished[0] / "runs", tmp_path / "runs", symlinks=True)
    return tmp_path / "runs" / "debug-state_tracking"


def assert_same_end(run, other):
    for name in ("model.safetensors", "optimizer.safetensors"):
        ours, theirs = (load_file(folder / "checkpoints" / "step_40" / name) for folder in (run, other))
        assert ours.keys() == theirs.keys() and all(np.array_equal(ours[key], theirs[key]) for key in ours)
    for name in ("metrics.csv", "results.json"):
        assert (run / name).read_bytes() == (other / name).read_bytes()


def test_a_run_has_all_the_contract_names(finished):
    folder, out = finished
    run = folder / "runs" / "debug-state_tracking"
    for name in ("recipe.yaml", "metrics.csv", "results.json", "log.txt", "plots/training.png", "plots/accuracy_by_length.png"):
        assert (run / name).stat().st_size > 0, name
    for link in ("last", "best"):
        files = {path.name for path in (run / "checkpoints" / link).iterdir()}
        assert files == {"model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"}
    results = json.loads((run / "results.json").read_text())
    assert results["num_parameters"] == sum(
        array.size for array in load_file(run / "checkpoints/best/model.safetensors").values()
    )
    assert results["train_programs"] == 200 and results["seeds"] == [0]
    for name in ("exact_match", "close_match", "majority_class", "window_reader"):
        assert list(results[name]) == ["1", "2"]
    assert results["window_reader"]["1"].keys() == {"8", "16", "45"} and results["window_reader"]["2"]["16"] == 1.0
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [row["step"] for row in rows] == ["10", "20", "30", "40"]
    assert [bool(row["validation_exact_match"]) for row in rows] == [False, True, False, True]
    assert "majority class" in out and "last 45 lines" in out


def test_killed_and_resumed_is_bit_for_bit_the_run_left_alone(finished, tmp_path):
    process = start(tmp_path, *TRAIN)
    run = tmp_path / "runs" / "debug-state_tracking"
    wait_for(run / "checkpoints" / "last", process)
    process.kill()
    process.wait()
    assert not (run / "checkpoints" / "step_40").exists()
    with (run / "metrics.csv").open("a") as file:  # what a later moment of the kill would have left
        file.write("30,0.1,9,9,9,\n")
    code, out, err = sfm(tmp_path, *TRAIN)
    assert code == 0 and "from step 20 to 40" in out, out + err
    assert_same_end(run, finished[0] / "runs" / "debug-state_tracking")


def test_a_stop_signal_saves_says_how_to_go_on_and_loses_nothing(finished, tmp_path):
    """Ctrl-C; test_cli_texts.py sends SIGTERM."""
    process = start(tmp_path, *TRAIN)
    run = tmp_path / "runs" / "debug-state_tracking"
    wait_for(run / "metrics.csv", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1 and "Traceback" not in err
    assert f"go on with: sfm {' '.join(TRAIN)}" in err and "saved in runs/debug-state_tracking" in err
    code, out, err = sfm(tmp_path, *TRAIN)
    assert code == 0, out + err
    assert_same_end(run, finished[0] / "runs" / "debug-state_tracking")


def test_a_finished_run_is_not_trained_again(finished, run):
    before = (run / "checkpoints/step_40/model.safetensors").stat().st_mtime_ns
    code, out, _ = sfm(run.parents[1], *TRAIN)
    assert code == 0 and "trained and evaluated already" in out and finished[1].splitlines()[-2] in out
    assert (run / "checkpoints/step_40/model.safetensors").stat().st_mtime_ns == before


def test_eval_gives_the_same_table_from_the_checkpoint_alone(finished, run):
    for path in run.iterdir():
        if path.name not in ("checkpoints", "recipe.yaml", "metrics.csv"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    code, out, err = sfm(run.parents[1], "eval", "debug-state_tracking")
    assert code == 0, err
    assert out.strip() in finished[1]
    assert (run / "results.json").read_bytes() == (finished[0] / "runs/debug-state_tracking/results.json").read_bytes()


def test_eval_at_other_lengths_prints_only(run):
    (run / "results.json").unlink()
    code, out, err = sfm(run.parents[2], "eval", str(run), "--multipliers", "5")
    assert code == 0, err
    assert "5x" in out and "15" in out and not (run / "results.json").exists()


def test_eval_of_a_damaged_best_takes_another_one_and_leaves_the_results(run):
    results = (run / "results.json").read_bytes()
    (run / "checkpoints/best/model.safetensors").write_bytes(b"")
    code, out, err = sfm(run.parents[1], "eval", "debug-state_tracking")
    assert code == 0, err
    assert "step_40/model.safetensors: 0 bytes, expected" in out and "using step 20 instead" in out
    assert (run / "results.json").read_bytes() == results


def test_another_recipe_does_not_touch_the_run(run):
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    message = refused(run.parents[1], *TRAIN, "seed=7", "optimizer.learning_rate=1e-2")
    assert "is the run of another recipe; choose another name with name=..." in message
    assert "seed: 0 there, 7 now" in message and "optimizer.learning_rate: 0.003 there, 0.01 now" in message
    assert files == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_folder_that_is_no_run_is_left_alone(tmp_path):
    folder = tmp_path / "runs" / "debug-state_tracking"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    assert "exists and is not a run" in refused(tmp_path, *TRAIN)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_damaged_checkpoints(run, finished):
    (run / "checkpoints/step_40/model.safetensors").write_bytes(b"")
    code, out, err = sfm(run.parents[1], *TRAIN)
    assert code == 0 and "passed over a damaged checkpoint" in out, out + err
    assert_same_end(run, finished[0] / "runs" / "debug-state_tracking")
    assert (run / "checkpoints/step_40.damaged_1").is_dir()
    for folder in (run / "checkpoints").glob("step_*"):
        model = folder / "model.safetensors"
        model.write_bytes(model.read_bytes()[:100])
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for arguments in (TRAIN, ["eval", "debug-state_tracking"]):
        message = refused(run.parents[1], *arguments)
        assert "no whole checkpoint" in message and "step_40/model.safetensors: 100 bytes, expected" in message
    assert files == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_wrong_input_is_refused_with_a_clear_message(tmp_path):
    message = refused(
        tmp_path, "train", "state_tracking/quick", "task.max_operation=0", "training.steps=ten", "task.test_multipliers=[0]"
    )
    for line in (
        "task.max_operation: unknown key; did you mean 'max_operations'?",
        "training.steps: expected a whole number, got 'ten'",
        "task.test_multipliers[0]: expected a whole number >= 1, got 0",
    ):
        assert line in message
    assert "did you mean 'state_tracking/quick'?" in refused(tmp_path, "check", "state_traking/quick")
    assert "no run 'nowhere'" in refused(tmp_path, "eval", "nowhere")
    assert "expected a whole number >= 1" in refused(tmp_path, "eval", "nowhere", "--multipliers", "0")
    assert list(tmp_path.iterdir()) == []


def test_ls_show_and_check(tmp_path):
    code, out, _ = sfm(tmp_path, "ls")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == names()
    code, out, _ = sfm(tmp_path, "show", "state_tracking/quick", "seed=3")
    assert code == 0 and "seed: 3" in out and "supervision: queried" in out
    code, out, _ = sfm(tmp_path, "check", "state_tracking/quick")
    num_parameters = json.loads((ROOT / "recipes/state_tracking/quick.json").read_text())["num_parameters"]
    assert code == 0 and f"parameters            {num_parameters:,}" in out and "MiB" in out and "FLOPs" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["ls"], ["show", "state_tracking/quick"], ["--help"]])
def test_these_commands_do_not_import_mindspore(tmp_path, arguments):
    (tmp_path / "mindspore.py").write_text("raise ImportError('imported')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", "sfm_ms", *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_nothing_happens_at_import(tmp_path):
    """No environment writes and no files beyond those of the libraries; what MindFormers is to import needs it."""
    script = (
        "import importlib, os, pkgutil, matplotlib.pyplot, mindspore.experimental.optim, sfm_ms\n"
        "before = dict(os.environ)\n"
        "for module in pkgutil.walk_packages(sfm_ms.__path__, 'sfm_ms.'):\n"
        "    if not module.name.startswith(('sfm_ms.__main__', 'sfm_ms.mindformers_trainer.')):\n"
        "        importlib.import_module(module.name)\n"
        "assert os.environ == before, set(os.environ.items()) ^ set(before.items())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
