"""What a kill may leave of metrics.csv, and what training goes on from."""

import pytest

from sfm_ms.train.run_folder import RunFolder


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        ("", ""),
        ("step,lo", ""),
        ("step,loss\n", ""),
        ("step,loss\n30,1.5\n", ""),
        ("step,loss\n10,2.5\n2", "step,loss\n10,2.5\n"),
        ("step,loss\n10,2.5\n20,2.0\n30,1.5\n", "step,loss\n10,2.5\n20,2.0\n"),
    ],
)
def test_metrics_go_on_after_the_checkpoint_whatever_was_left(tmp_path, left, kept):
    run = RunFolder(tmp_path)
    run.metrics_file.write_text(left)
    run.cut_metrics(20)
    run.append_metrics({"step": 30, "loss": 1.0})
    assert run.metrics_file.read_text() == (kept or "step,loss\n") + "30,1.0\n"
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]
