"""The tool that turns runs into the README's tables: what it reads, means and spread, what it keeps."""

import json
from pathlib import Path

import pandas as pd
import pytest
import report_state_tracking as report

from sfm_ms.recipe import load, to_yaml
from sfm_ms.train.run_folder import RunFolder

ROOT = Path(__file__).resolve().parents[1]


def finished_run(folder, name, seed, exact_match, family="classic"):
    """A run folder with the files that the report reads."""
    recipe = load("debug/state_tracking", [f"name={name}", f"seed={seed}", f"task.family={family}"])
    run = RunFolder(folder / name)
    (run.checkpoints / "step_40").mkdir(parents=True)
    (run.checkpoints / "step_40" / "state.json").write_text(json.dumps({"seconds": 90.0}))
    (run.checkpoints / "last").symlink_to("step_40")
    run.recipe_file.write_text(to_yaml(recipe))
    at_lengths = dict(zip(("1", "32"), exact_match, strict=True))
    readers = {"window_reader": {m: {"8": 0.5, "45": 0.9} for m in at_lengths}, "majority_class": dict.fromkeys(at_lengths, 0.2)}
    rest = {
        "close_match": at_lengths,
        "backward_slice": dict.fromkeys(at_lengths, 3.0),
        "ticks": {m: {"copy": 1.0} for m in at_lengths},
    }
    run.write_results({"num_parameters": 1234, "exact_match": at_lengths, **readers, **rest})
    return run


def test_table_has_mean_and_spread_over_seeds_and_the_readers(tmp_path):
    runs = [finished_run(tmp_path, f"slots-seed{seed}", seed, (1.0, 0.9 + 0.05 * seed)) for seed in range(3)]
    runs.append(finished_run(tmp_path, "gru-seed0", 0, (0.6, 0.3)))
    results = pd.concat([report.rows_of(run) for run in runs])
    lines = report.markdown(results).splitlines()
    assert lines[0] == "|  | parameters | minutes | seeds | 1x | 32x |"
    assert lines[2] == "| slots | 1,234 | 2 | 3 | 100.0 ±0.0 | 95.0 ±5.0 |"
    assert lines[3] == "| gru | 1,234 | 2 | 1 | 60.0 | 30.0 |"
    assert lines[4] == "| *majority class* |  |  |  | 20.0 ±0.0 | 20.0 ±0.0 |"
    assert lines[-2].startswith("| *last 45 lines* |  |  |  | 90.0")
    assert lines[-1].endswith("| 3.0 | 3.0 |")


def test_tables_in_the_readme_are_those_of_the_committed_results():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for family, results in pd.read_csv(ROOT / "recipes/state_tracking/results/results.csv").groupby("family"):
        assert report.with_table(readme, family, report.markdown(results)) == readme


def test_the_command_keeps_rows_of_other_runs_and_replaces_those_of_the_same(tmp_path, monkeypatch, capsys):
    out, readme = tmp_path / "out", tmp_path / "README.md"
    readme.write_text("before <!-- classic -->old<!-- end of classic --> <!-- full --><!-- end of full --> after")

    def call(*runs):
        options = ["--folder", str(out), "--readme", str(readme)]
        monkeypatch.setattr("sys.argv", ["report", *(str(run.path) for run in runs), *options])
        report.main()
        return pd.read_csv(out / "results.csv")

    first = finished_run(tmp_path / "a", "slots-seed0", 0, (1.0, 0.9))
    other = finished_run(tmp_path / "a", "full-seed0", 0, (0.8, 0.7), family="full")
    again = finished_run(tmp_path / "b", "slots-seed0", 0, (1.0, 0.5))
    assert len(call(first, other)) == 4
    results = call(again)
    assert len(results) == 4
    assert results.query("model == 'slots' and multiplier == 32")["exact_match"].item() == 0.5
    assert {"classic.png", "full.png"} <= {path.name for path in out.iterdir()}
    assert "| slots |" in capsys.readouterr().out
    text = readme.read_text()
    assert text.startswith("before <!-- classic -->\n\n|  | parameters |") and "| 50.0 |" in text and "old" not in text
    assert "| full | 1,234 |" in text and text.endswith("<!-- end of full --> after")
    assert len(call()) == 4 and readme.read_text() == text
    readme.write_text("nothing")
    with pytest.raises(SystemExit, match="no place for a table of classic"):
        call()
