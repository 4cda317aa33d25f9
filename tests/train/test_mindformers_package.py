"""What a recipe may choose of MindFormers, and what is said where it is not installed."""

from __future__ import annotations

import pytest

from sfm_ms import cli
from sfm_ms.mindformers_trainer import start
from sfm_ms.recipe import RecipeError, load
from sfm_ms.train import mindformers_package

RECIPE = "debug/state_tracking"
STABLE = "optimizer.schedule=mindformers_stable_decay"
WRONG = ("betas=[0.9, 1]", "warmup_steps=0", "final_learning_rate=3e-3", "learning_rate=3e-3")
BOTH = ("optimizer.adamw=mindformers", "optimizer.schedule=mindformers_linear")


def test_where_it_is_absent_the_recipe_is_refused_before_anything_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mindformers_package, "is_installed", lambda: False)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", RECIPE, *BOTH]) == cli.WRONG_INPUT
    needs = "needs MindFormers, which is not installed: pip install 'sfm-ms[mindformers]'"
    said = capsys.readouterr().err.splitlines()
    assert said == [f"optimizer.adamw: mindformers {needs}", f"optimizer.schedule: mindformers_linear {needs}"]
    assert not list(tmp_path.iterdir())
    mindformers_package.refuse_absent(load(RECIPE).optimizer)


def test_what_does_not_go_together_is_told_at_once():
    with pytest.raises(RecipeError) as caught:
        load(RECIPE, [*BOTH[:1], STABLE, *(f"optimizer.{field}" for field in WRONG)])
    for line in (
        "optimizer.betas: expected numbers between 0 and 1, as MindFormers' AdamW does, got [0.9, 1.0]",
        "optimizer.warmup_steps: expected at least 1 with mindformers_stable_decay, got 0",
        "optimizer.decay_steps: expected at least 1 with mindformers_stable_decay, got 0",
        "optimizer.final_learning_rate: expected less than learning_rate with mindformers_stable_decay, got 0.003",
    ):
        assert line in str(caught.value)
    with pytest.raises(RecipeError, match=r"optimizer\.decay_steps: only the schedule mindformers_stable_decay takes it"):
        load(RECIPE, ["optimizer.decay_steps=3"])
    with pytest.raises(RecipeError, match=r"optimizer\.decay_steps: expected at most training\.steps - .* = 3, got 4"):
        load(RECIPE, [STABLE, "training.steps=5", "optimizer.warmup_steps=2", "optimizer.decay_steps=4"])


def test_a_yaml_of_its_trainer_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(start, "is_installed", lambda: False)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "a.yaml"
    for text, message in (
        ("output_dir: out", r"a\.yaml: needs MindFormers, which is not installed: pip install"),
        ("seed: 0", r"a\.yaml: output_dir: expected a folder, got None"),
        ("a: [", r"a\.yaml: cannot be read as YAML"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(RecipeError, match=message):
            start.train(file)
    with pytest.raises(RecipeError, match=r"nowhere\.yaml: cannot be read as YAML"):
        start.train(tmp_path / "nowhere.yaml")
    assert list(tmp_path.iterdir()) == [file]
