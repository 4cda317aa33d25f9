"""The tool that turns runs of language models into the README's table: what it reads, means and spread, what it keeps."""

import json
from pathlib import Path

import pandas as pd
import report_texts as report

from sfm_ms.recipe import load, to_yaml
from sfm_ms.train.run_folder import RunFolder

ROOT = Path(__file__).resolve().parents[1]


def finished_run(folder, name, seed, bits_per_byte, exact_match, has_verdict=True):
    """A run folder with the files that the report reads."""
    run = RunFolder(folder / name)
    (run.checkpoints / "step_20").mkdir(parents=True)
    (run.checkpoints / "step_20" / "state.json").write_text(json.dumps({"seconds": 90.0}))
    (run.checkpoints / "last").symlink_to("step_20")
    run.recipe_file.write_text(to_yaml(load("debug/python_code", [f"name={name}", f"seed={seed}"])))
    at_lengths = dict(zip(("1", "4"), exact_match, strict=True))
    of_verdicts = {"area_under_roc": 0.9, "calibration_error": 0.1, "error_of_trusted": 0.05}
    rest = {name: dict.fromkeys(at_lengths, figure) if has_verdict else {} for name, figure in of_verdicts.items()}
    majority = {"majority_class": dict.fromkeys(at_lengths, 0.2)}
    code = {} if bits_per_byte is None else {"bits_per_byte": bits_per_byte}
    run.write_results({"num_parameters": 1234, **code, "exact_match": at_lengths, **majority, **rest})
    return run


def test_table_has_mean_and_spread_over_seeds_and_the_majority_class(tmp_path):
    runs = [finished_run(tmp_path, f"four-seed{seed}", seed, 1.5 + 0.01 * seed, (1.0, 0.9 + 0.05 * seed)) for seed in range(3)]
    runs.append(finished_run(tmp_path, "transformer-seed0", 0, 1.6, (0.4, 0.2), has_verdict=False))
    runs.append(finished_run(tmp_path, "programs-seed0", 0, None, (1.0, 0.9)))
    lines = report.markdown(pd.concat([report.rows_of(run) for run in runs])).splitlines()
    verdicts = "area under ROC, 4x | wrong of the most trusted 90%, 4x"
    assert lines[0] == f"|  | parameters | minutes | seeds | bits per byte | 1x | 4x | {verdicts} |"
    assert lines[2] == "| four | 1,234 | 2 | 3 | 1.510 ±0.010 | 100.0 ±0.0 | 95.0 ±5.0 | 0.900 ±0.000 | 5.0 ±0.0 |"
    assert lines[3] == "| transformer | 1,234 | 2 | 1 | 1.600 | 40.0 | 20.0 |  |  |"
    assert lines[4] == "| programs | 1,234 | 2 | 1 |  | 100.0 | 90.0 | 0.900 | 5.0 |"
    assert lines[5] == "| *majority class* |  |  |  |  | 20.0 ±0.0 | 20.0 ±0.0 |  |  |"


def test_the_table_in_the_readme_is_that_of_the_committed_results():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert report.with_table(readme, "texts", report.markdown(pd.read_csv(ROOT / "recipes/sfm/results.csv"))) == readme


def test_the_command_keeps_rows_of_other_runs_and_replaces_those_of_the_same(tmp_path, monkeypatch, capsys):
    file, readme = tmp_path / "results.csv", tmp_path / "README.md"
    readme.write_text("before <!-- texts -->old<!-- end of texts --> after")

    def call(*runs):
        options = ["--file", str(file), "--readme", str(readme)]
        monkeypatch.setattr("sys.argv", ["report", *(str(run.path) for run in runs), *options])
        report.main()
        return pd.read_csv(file)

    first = finished_run(tmp_path / "a", "four-seed0", 0, 1.5, (1.0, 0.9))
    other = finished_run(tmp_path / "a", "perception-seed0", 0, 1.4, (0.4, 0.2), has_verdict=False)
    again = finished_run(tmp_path / "b", "four-seed0", 0, 1.3, (1.0, 0.5))
    assert len(call(first, other)) == 4
    results = call(again)
    assert len(results) == 4 and results.query("model == 'four' and multiplier == 4")["exact_match"].item() == 0.5
    assert results.query("model == 'perception'")["area_under_roc"].isna().all()
    text = readme.read_text()
    assert "| four | 1,234 | 2 | 1 | 1.300 | 100.0 | 50.0 | 0.900 | 5.0 |" in capsys.readouterr().out
    assert "| 1.300 | 100.0 | 50.0 |" in text and "old" not in text and text.endswith("<!-- end of texts --> after")
    assert len(call()) == 4 and readme.read_text() == text
