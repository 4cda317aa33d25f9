"""Turns runs of language models into a CSV, and the CSV into the README's table: means and spread over seeds.

python tools/report_texts.py runs/small_stdlib-seed0 runs/perception-seed0 ...

Runs named `<model>-seed<n>` that differ only in their seed are one line. Rows of runs that are not named stay in the CSV. The
table replaces what stands in the README between `<!-- texts -->` and `<!-- end of texts -->`.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pandas as pd
from report_state_tracking import at, in_markdown, spread, updated, with_table

from sfm_ms.train.run_folder import RunFolder

KEY = ["model", "seed", "multiplier"]
VERIFIED = 4  # times the length of the shortest test programs
OF_LENGTHS = ("exact_match", "majority_class", "area_under_roc", "calibration_error", "error_of_trusted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", type=Path, help="run folders to add; none: the table of the CSV as it is")
    parser.add_argument("--file", type=Path, default=Path("recipes/sfm/results.csv"), help="the CSV")
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    options = parser.parse_args()

    table = markdown(updated(options.file, [rows_of(RunFolder(path)) for path in options.runs], KEY))
    print(table)
    readme = options.readme.read_text(encoding="utf-8")
    options.readme.write_text(with_table(readme, "texts", table), encoding="utf-8")


def rows_of(run: RunFolder) -> pd.DataFrame:
    """A row for each test length of a finished run."""
    recipe = run.recipe()
    results = json.loads(run.results_file.read_text(encoding="utf-8"))
    state = json.loads((run.checkpoints / "last" / "state.json").read_text(encoding="utf-8"))
    constant = {
        "model": re.sub(r"-seed\d+$", "", run.path.name),
        "seed": recipe.seed,
        "num_parameters": results["num_parameters"],
        "learning_rate": recipe.optimizer.learning_rate,
        "steps": recipe.training.steps,
        "minutes": round(state["seconds"] / 60, 1),
        "bits_per_byte": results.get("bits_per_byte"),  # none of models that were shown no code
    }
    lengths = results["exact_match"]
    figures = ({name: results[name].get(multiplier) for name in OF_LENGTHS} for multiplier in lengths)
    return pd.DataFrame([{**constant, "multiplier": int(m), **row} for m, row in zip(lengths, figures, strict=True)])


def markdown(results: pd.DataFrame) -> str:
    """Models, those that need the fewest bits first; then the most frequent answer. Verdicts are those at VERIFIED times."""
    multipliers, models = sorted(results["multiplier"].unique()), results.groupby("model")
    verdicts = f"area under ROC, {VERIFIED}x", f"wrong of the most trusted 90%, {VERIFIED}x"
    rows = [["", "parameters", "minutes", "seeds", "bits per byte", *(f"{length}x" for length in multipliers), *verdicts]]
    for model in models["bits_per_byte"].mean().sort_values().index:
        one = models.get_group(model)
        of_seeds = one.drop_duplicates("seed")
        costs = f"{one['num_parameters'].iloc[0]:,}", f"{of_seeds['minutes'].mean():.0f}", str(len(of_seeds))
        exact = (spread(at(one, multiplier)["exact_match"]) for multiplier in multipliers)
        verified = at(one, VERIFIED)[["area_under_roc", "error_of_trusted"]].dropna()
        told_apart = spread(verified["area_under_roc"], 1, 3), spread(verified["error_of_trusted"])
        rows.append([model, *costs, spread(of_seeds["bits_per_byte"].dropna(), 1, 3), *exact, *told_apart])
    same = results.drop_duplicates(["seed", "multiplier"])  # models of one seed have the same test programs
    majority = (spread(at(same, multiplier)["majority_class"]) for multiplier in multipliers)
    return in_markdown([*rows, ["*majority class*", "", "", "", "", *majority, "", ""]])


if __name__ == "__main__":
    main()
