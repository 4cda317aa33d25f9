"""What the README says is what the results and the commands say."""

import json
from pathlib import Path

from sfm_ms.evaluate import table
from sfm_ms.plan import plan
from sfm_ms.recipe import load

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_is_that_of_the_committed_results():
    recipe = load("state_tracking/quick")
    results = json.loads((ROOT / "recipes/state_tracking/quick.json").read_text(encoding="utf-8"))
    for line in table(results, recipe).splitlines():
        assert f"    {line}\n" in README
    assert results["train_programs"] == recipe.task.train_programs and results["seeds"] == [recipe.seed]
    assert results["num_parameters"] == plan(recipe).num_parameters
    assert f"{results['num_parameters']:,} parameters" in README


def test_files_it_names_exist():
    for word in README.replace("(", " ").replace(")", " ").replace("`", " ").split():
        if word.startswith(("sfm_ms/", "ops/", "recipes/", "tools/", "tests/")):
            assert (ROOT / word.rstrip(".,;:")).exists(), word
