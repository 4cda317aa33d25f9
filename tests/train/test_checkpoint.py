"""Checkpoints: whole or not there, verified, strict about names and shapes."""

import json

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from sfm_ms.train import checkpoint
from sfm_ms.train.checkpoint import Checkpoint, CheckpointError


def make(step):
    return Checkpoint({"w": np.full((2, 3), step, np.float32)}, {"m": np.ones(2, np.float32)}, {"step": step, "mean": 0.1 + step})


@pytest.fixture
def folder(tmp_path):
    for step in (10, 20, 30):
        checkpoint.save(tmp_path, step, make(step), keep=2)
        if step == 10:
            checkpoint.point(tmp_path, "best", 10)
    return tmp_path


def newest_step(folder, preferred="last"):
    found, warnings = checkpoint.load_newest(folder, preferred)
    return found.state["step"], warnings


def test_round_trip_keeps_the_newest_and_the_best(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["best", "last", "step_10", "step_20", "step_30"]
    assert newest_step(folder) == (30, []) and newest_step(folder, "best") == (10, [])
    loaded = checkpoint.load(folder / "last")
    assert np.array_equal(loaded.model["w"], make(30).model["w"]) and loaded.state == make(30).state


def test_nothing_there(tmp_path):
    assert checkpoint.load_newest(tmp_path / "checkpoints") is None


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["emptied", "truncated", "changed", "removed"])
def test_damage_is_found_and_the_newest_whole_one_is_taken(folder, name, damage):
    file = folder / "step_30" / name
    content = file.read_bytes()
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes({"emptied": b"", "truncated": content[:-9], "changed": content[:-9] + b"#" + content[-8:]}[damage])
    if (name, damage) == ("manifest.json", "changed"):
        file.write_text(json.dumps({}))
    step, warnings = newest_step(folder)
    assert step == 20 and len(warnings) == 1 and "step_30" in warnings[0]


def test_no_whole_checkpoint_is_an_error_that_names_each(folder):
    for step in (10, 20, 30):
        (folder / f"step_{step}" / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"no whole checkpoint in (.|\n)*step_30(.|\n)*0 bytes, expected"):
        checkpoint.load_newest(folder)


def test_a_damaged_checkpoint_is_set_aside_not_overwritten(folder):
    (folder / "step_30" / "state.json").write_bytes(b"")
    checkpoint.save(folder, 30, make(30), keep=2)
    assert (folder / "step_30.damaged_1" / "model.safetensors").exists() and newest_step(folder) == (30, [])


def test_an_unfinished_checkpoint_does_not_count(folder):
    (folder / "step_30").rename(folder / ".unfinished_step_30")
    assert newest_step(folder) == (20, [])
    checkpoint.save(folder, 30, make(30), keep=2)
    assert newest_step(folder) == (30, [])


def test_restore_is_strict():
    parameters = {name: Parameter(Tensor(np.zeros((2, 2)), ms.float32), name=name) for name in ("a", "b", "c")}
    values = {"a": np.ones((2, 2), np.float32), "b": np.ones((3,), np.float32), "d": np.ones(1, np.float32)}
    with pytest.raises(CheckpointError) as caught:
        checkpoint.restore(parameters, values)
    for words in ("missing c", "unexpected d", r"b has shape (3,), expected (2, 2)"):
        assert words in str(caught.value)
    assert not parameters["a"].asnumpy().any()  # nothing was restored
