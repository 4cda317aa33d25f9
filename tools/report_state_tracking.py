"""Turns runs of state tracking into a CSV, and the CSV into the README's tables and plots: means and spread over seeds.

python tools/report_state_tracking.py runs/slots-seed0 runs/slots-seed1 ...

Runs named `<model>-seed<n>` that differ only in their seed are one line. Rows of runs that are not named stay in the CSV.
The table of a family replaces what stands in the README between `<!-- FAMILY -->` and `<!-- end of FAMILY -->`.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from sfm_ms import plots
from sfm_ms.recipe import Recipe
from sfm_ms.train.run_folder import RunFolder

KEY = ["family", "model", "seed", "multiplier"]
READERS = {
    "majority class": "majority_class",
    "last 8 lines": "last_8_lines",
    "last 16 lines": "last_16_lines",
    "last 45 lines": "last_45_lines",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", type=Path, help="run folders to add; none: tables and plots of the CSV as it is")
    parser.add_argument("--folder", type=Path, default=Path("recipes/state_tracking/results"), help="of the CSV and the plots")
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    options = parser.parse_args()

    options.folder.mkdir(parents=True, exist_ok=True)
    results = updated(options.folder / "results.csv", [rows_of(RunFolder(path)) for path in options.runs], KEY)
    readme = options.readme.read_text(encoding="utf-8")
    for family, of_family in results.groupby("family"):
        table = markdown(of_family)
        print(f"{family}\n\n{table}\n")
        plot(of_family, family, options.folder / f"{family}.png")
        readme = with_table(readme, family, table)
    options.readme.write_text(readme, encoding="utf-8")


def updated(file: Path, tables: list[pd.DataFrame], key: list[str]) -> pd.DataFrame:
    """The CSV with the rows of the tables, in place of those that have the same key, as it now stands in the file."""
    before = [pd.read_csv(file)] if file.is_file() else []
    results = pd.concat([*before, *tables]).drop_duplicates(key, keep="last").sort_values(key)
    results.to_csv(file, index=False, lineterminator="\n", float_format="%.6g")
    return pd.read_csv(file)


def rows_of(run: RunFolder) -> pd.DataFrame:
    """A row for each test length of a finished run."""
    recipe = run.recipe()
    results = json.loads(run.results_file.read_text(encoding="utf-8"))
    state = json.loads((run.checkpoints / "last" / "state.json").read_text(encoding="utf-8"))
    constant = {
        "family": family_name(recipe),
        "model": re.sub(r"-seed\d+$", "", run.path.name),
        "seed": recipe.seed,
        "num_parameters": results["num_parameters"],
        "train_programs": recipe.task.train_programs,
        "supervision": recipe.task.supervision,
        "learning_rate": recipe.optimizer.learning_rate,
        "steps": recipe.training.steps,
        "minutes": round(state["seconds"] / 60, 1),
    }
    rows = []
    for multiplier, exact_match in results["exact_match"].items():
        figures = {name: results[name][multiplier] for name in ("close_match", "majority_class", "backward_slice")}
        readers = {f"last_{lines}_lines": figure for lines, figure in results["window_reader"][multiplier].items()}
        length = {"multiplier": int(multiplier), "operations": int(multiplier) * recipe.task.test_base_operations}
        ticks = {f"ticks_{kind}": mean for kind, mean in results["ticks"][multiplier].items()}
        rows.append({**constant, **length, "exact_match": exact_match, **figures, **readers, **ticks})
    return pd.DataFrame(rows)


def family_name(recipe: Recipe) -> str:
    task = recipe.task
    return task.family if task.family != "chained" else f"chained-{task.modulus}"


def markdown(results: pd.DataFrame) -> str:
    """One family's table: models, then the readers that need no model."""
    multipliers = sorted(results["multiplier"].unique())
    models, order = results.groupby("model"), best_first(results)
    rows = [["", "parameters", "minutes", "seeds", *(f"{multiplier}x" for multiplier in multipliers)]]
    for model in order:
        one = models.get_group(model)
        costs = f"{one['num_parameters'].iloc[0]:,}", f"{one['minutes'].mean():.0f}", str(one["seed"].nunique())
        rows.append([model, *costs, *(spread(at(one, multiplier)["exact_match"]) for multiplier in multipliers)])
    of_seeds = results.drop_duplicates(["seed", "multiplier"])  # models of one seed have the same test programs
    for name, column in READERS.items():
        if column in of_seeds:
            rows.append([f"*{name}*", "", "", "", *(spread(at(of_seeds, multiplier)[column]) for multiplier in multipliers)])
    slices = of_seeds.groupby("multiplier")["backward_slice"].mean()
    rows.append(["*statements the answer may depend on*", "", "", "", *(f"{size:.1f}" for size in slices)])
    return in_markdown(rows)


def in_markdown(rows: list[list[str]]) -> str:
    """A table whose first row is its head."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:]))


def with_table(readme: str, family: str, table: str) -> str:
    """The README with the table of the family in its place."""
    start, end = f"<!-- {family} -->", f"<!-- end of {family} -->"
    if start not in readme or end not in readme:
        raise SystemExit(f"the README has no place for a table of {family}: {start} and {end}")
    before, after = readme.split(start)[0], readme.split(end)[1]
    return f"{before}{start}\n\n{table}\n\n{end}{after}"


def best_first(results: pd.DataFrame) -> pd.Index:
    """Models by their mean exact match at 32x, the longest length that all are asked."""
    return results[results["multiplier"] == 32].groupby("model")["exact_match"].mean().sort_values(ascending=False).index


def at(results: pd.DataFrame, multiplier: int) -> pd.DataFrame:
    """The rows of a test length."""
    return results[results["multiplier"] == multiplier]


def spread(figures: pd.Series, scale: float = 100, digits: int = 1) -> str:
    """Mean and standard deviation over seeds, in percent where the scale is 100."""
    if figures.empty:
        return ""
    mean, deviation = scale * figures.mean(), scale * figures.std()
    return f"{mean:.{digits}f}" + (f" ±{deviation:.{digits}f}" if len(figures) > 1 else "")


def plot(results: pd.DataFrame, family: str, path: Path) -> None:
    """Exact match against the number of operations, with the range over seeds."""
    figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
    axes.set_prop_cycle(plt.cycler(linestyle=["-", "--"]) * plt.cycler(color=plt.get_cmap("tab10").colors[:7]))
    for model in best_first(results):
        one = results[results["model"] == model]
        of_length = 100 * one.groupby("operations")["exact_match"].agg(["mean", "min", "max"])
        (line,) = axes.plot(of_length.index, of_length["mean"], marker="o", markersize=4, label=model)
        axes.fill_between(of_length.index, of_length["min"], of_length["max"], color=line.get_color(), alpha=0.15, linewidth=0)
    for (name, column), style in zip(READERS.items(), ("-", ":", "-.", "--"), strict=True):
        if column in results:
            axes.plot(100 * results.groupby("operations")[column].mean(), color="gray", linestyle=style, linewidth=1, label=name)
    axes.set_xscale("log", base=2)
    lengths = results.drop_duplicates("operations").sort_values("operations")
    labels = [f"{count}\n{multiplier}x" for count, multiplier in zip(lengths["operations"], lengths["multiplier"], strict=True)]
    axes.set_xticks(lengths["operations"], labels)
    axes.set(xlabel="operations in the program", ylabel="right answers, %", ylim=(0, 102), title=family)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    plots.save(figure, path)


if __name__ == "__main__":
    main()
