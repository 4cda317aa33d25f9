"""The figure of training in stages: steps counted on, drawn to a file, runs without metrics refused."""

import sys

import draw_stages
import pandas as pd
import pytest


def stage(steps, exact_match):
    """Metrics as a run writes them: validated at the last step only."""
    rows = pd.DataFrame({"step": steps, "told_loss": [1 / step for step in steps]})
    return rows.assign(validation_exact_match=[*[None] * (len(steps) - 1), exact_match], validation_judge_auc=0.5)


def test_steps_of_a_stage_go_on_from_the_last_one():
    rows, borders = draw_stages.one_after_another([stage([10, 20], 0.1), stage([5, 10], 0.5), stage([5], 0.9)])
    assert rows["step"].tolist() == [10, 20, 25, 30, 35] and borders == [20, 30]
    assert rows["validation_exact_match"].dropna().tolist() == [0.1, 0.5, 0.9]


def test_runs_are_drawn_and_folders_without_metrics_refused(tmp_path, monkeypatch, capsys):
    for number, run in enumerate(("one", "two")):
        (tmp_path / run).mkdir()
        stage([10, 20], 0.3 + number).to_csv(tmp_path / run / "metrics.csv", index=False)
    out = tmp_path / "new" / "stages.png"
    monkeypatch.setattr(sys, "argv", ["draw_stages.py", f"Thinker={tmp_path}/one,{tmp_path}/two", "--out", str(out)])
    draw_stages.main()
    assert out.stat().st_size > 10_000
    monkeypatch.setattr(sys, "argv", ["draw_stages.py", f"Thinker={tmp_path}/one,{tmp_path}/three"])
    with pytest.raises(SystemExit):
        draw_stages.main()
    assert f"found no {tmp_path}/three/metrics.csv" in capsys.readouterr().err
