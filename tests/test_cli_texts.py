"""The commands on a language model's recipe: a run and its files, resuming, evaluation, what is refused."""

from __future__ import annotations

import csv
import json
import signal

import pytest
from test_cli import refused, sfm, start, wait_for

RECIPE = "debug/python_code"
PERCEPTION = ["model.structure=false", "model.execution=false", "model.meta=false"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    code, out, err = sfm(folder, "train", RECIPE)
    assert code == 0, out + err
    return folder, out


def test_a_run_has_results_and_a_tokenizer(finished):
    folder, out = finished
    run = folder / "runs" / "debug-python_code"
    results = json.loads((run / "results.json").read_text())
    assert 3 < results["bits_per_byte"] < 9 and results["exact_match"].keys() == {"1", "2"} and results["seeds"] == [0]
    assert (run / "tokenizer.json").is_file()
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [row["step"] for row in rows] == ["10", "20"] and float(rows[1]["code_loss"]) < float(rows[0]["code_loss"])
    assert 3 < float(rows[1]["validation_bits_per_byte"]) < 9
    assert f"{results['bits_per_byte']:.4f} bits per byte" in out and "area under ROC" in out


def test_eval_gives_the_same_figures(finished):
    code, out, _ = sfm(finished[0], "eval", "debug-python_code", "--multipliers", "2")
    assert code == 0 and "bits per byte" not in out and out.splitlines()[1].split()[:2] == ["2x", "6"]
    assert out.splitlines()[1].split() in [line.split() for line in finished[1].splitlines()]


def test_a_text_longer_than_structure_remembers_is_refused_with_its_number(finished):
    err = refused(finished[0], "eval", "debug-python_code", "--multipliers", "30")
    assert "model.max_nodes: expected at least 94" in err and "got 64" in err


def test_trace_takes_no_language_model(finished):
    assert "expected a run of the task state_tracking" in refused(finished[0], "trace", "debug-python_code", "--summary")


def test_stopped_and_resumed_is_the_run_left_alone(tmp_path):
    arguments = ["train", RECIPE, *PERCEPTION]
    left_alone, stopped = tmp_path / "a", tmp_path / "b"
    for folder in (left_alone, stopped):
        folder.mkdir()
    assert sfm(left_alone, *arguments)[0] == 0
    process = start(stopped, *arguments)
    wait_for(stopped / "runs/debug-python_code/metrics.csv", process)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=300) and process.returncode == 1
    assert sfm(stopped, *arguments)[0] == 0
    for name in ("metrics.csv", "results.json", "checkpoints/step_20/model.safetensors"):
        of_both = [(folder / "runs/debug-python_code" / name).read_bytes() for folder in (left_alone, stopped)]
        assert of_both[0] == of_both[1], name


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.num_layers=3", "model.num_layers: expected an even number"),
        ("task.vocabulary=200", "task.vocabulary: expected a whole number >= 257, got 200"),
        ("model.shared_dim=36", "model.shared_dim: expected a multiple of 8, got 36"),
    ],
)
def test_recipes_that_do_not_fit_are_refused(tmp_path, override, message):
    assert message in refused(tmp_path, "check", RECIPE, override)


def test_a_model_of_another_task_is_refused(tmp_path):
    (tmp_path / "mixed.yaml").write_text("task:\n  kind: python_code\nmodel:\n  kind: gru\n")
    wanted = "expected one of state_flow_machine, text_transformer for the task python_code, got gru"
    assert f"model.kind: {wanted}" in refused(tmp_path, "check", "mixed.yaml")


def test_check_lists_the_systems(tmp_path):
    code, out, _ = sfm(tmp_path, "check", RECIPE)
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines() if line.endswith("MFLOPs")}
    assert list(rows) == ["vocabulary", "perception", "bridge", "structure", "execution", "meta"]
    count = sum(int(line.split()[1].replace(",", "")) for line in rows.values())
    assert f"parameters            {count:,}" in out


def test_unreadable_trees_are_refused(tmp_path):
    assert "task.trees: there is no" in refused(tmp_path, "train", RECIPE, f"task.trees=[{tmp_path / 'nowhere'}]")
