"""What a kill may leave of metrics.csv, what training goes on from, and which recipes may go on in a run's folder."""

import pytest

from sfm_ms.recipe import load
from sfm_ms.train.run_folder import RunError, RunFolder


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


def recipe_of(*overrides):
    return load("debug/state_tracking", ["name=run", *overrides])


def test_how_it_is_evaluated_may_change(tmp_path):
    RunFolder.for_training(tmp_path, recipe_of())
    run = RunFolder.for_training(tmp_path, recipe_of("evaluation.batch_size=7"))
    assert run.recipe().evaluation.batch_size == 7


def test_what_is_trained_may_not(tmp_path):
    run = RunFolder.for_training(tmp_path, recipe_of())
    with pytest.raises(RunError, match=r"optimizer\.learning_rate: 0\.003 there, 0\.01 now") as refused:
        RunFolder.for_training(tmp_path, recipe_of("optimizer.learning_rate=1e-2", "evaluation.batch_size=7"))
    assert "batch_size" not in str(refused.value) and run.recipe() == recipe_of()
