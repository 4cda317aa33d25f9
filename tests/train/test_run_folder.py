"""A run's folder keeps the recipe it was begun with, up to what training does not depend on."""

import pytest

from sfm_ms.recipe import load
from sfm_ms.train.run_folder import RunError, RunFolder


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
