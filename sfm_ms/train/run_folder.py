"""A run: the folder runs/<name>/ with the resolved recipe, metrics, log, results, plots and checkpoints."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

from sfm_ms.recipe import Recipe, read, to_yaml
from sfm_ms.recipe.load import flatten

FREE = ("evaluation.", "hardware.")  # sections of a recipe that change no trained number


class RunError(ValueError):
    """The run folder cannot be used for what was asked; the message says why and what to do."""


class RunFolder:
    """Paths and small files of one run."""

    def __init__(self, path: Path):
        self.path = path
        self.checkpoints, self.plots = path / "checkpoints", path / "plots"
        self.recipe_file, self.metrics_file = path / "recipe.yaml", path / "metrics.csv"
        self.results_file, self.log_file = path / "results.json", path / "log.txt"
        self.tokenizer_file = path / "tokenizer.json"  # of a language model

    @classmethod
    def for_training(cls, runs: Path, recipe: Recipe) -> RunFolder:
        """A new folder for the recipe, or the one it was begun in; raises RunError where another recipe's run is there.

        What training does not depend on (FREE) may change while a run is there.
        """
        run = cls(runs / recipe.name)
        if run.recipe_file.is_file():
            _expect_same(run.recipe(), recipe, run.path)
        elif run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
            raise RunError(f"{run.path} exists and is not a run; choose another name with name=...")
        else:
            run.path.mkdir(parents=True, exist_ok=True)
        _replace(run.recipe_file, to_yaml(recipe))
        return run

    @classmethod
    def existing(cls, runs: Path, run: str) -> RunFolder:
        """The run of that path or name."""
        for path in (Path(run), runs / run):
            if (path / "recipe.yaml").is_file():
                return cls(path)
        known = sorted(path.parent.name for path in runs.glob("*/recipe.yaml"))
        raise RunError(f"no run '{run}': no recipe.yaml in {run} or {runs / run}; runs here: {', '.join(known) or 'none'}")

    def recipe(self) -> Recipe:
        return read(self.recipe_file)

    def log(self, message: str) -> None:
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {message}\n")

    def append_metrics(self, row: dict) -> None:
        is_new = not self.metrics_file.exists()
        with self.metrics_file.open("a", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row, lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)

    def cut_metrics(self, last_step: int) -> None:
        """Drop the rows of steps after a checkpoint that training goes on from, and lines that a kill cut short."""
        if self.metrics_file.exists():
            lines = self.metrics_file.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [row for row in lines[1:] if row.endswith("\n") and int(row.split(",")[0]) <= last_step]
            if kept:
                _replace(self.metrics_file, lines[0] + "".join(kept))
            else:
                self.metrics_file.unlink()  # the next row brings its header

    def write_results(self, results: dict) -> None:
        _replace(self.results_file, json.dumps(results, indent=2) + "\n")


def _replace(file: Path, text: str) -> None:
    """Change a file's text at once, so that a kill leaves the old or the new."""
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def _expect_same(old: Recipe, new: Recipe, path: Path) -> None:
    before, now = flatten(old), flatten(new)
    changed = (key for key in now if before[key] != now[key] and not key.startswith(FREE))
    changes = [f"  {key}: {before[key]} there, {now[key]} now" for key in changed]
    if changes:
        raise RunError(
            "\n".join([f"{path} is the run of another recipe; choose another name with name=... or remove it:", *changes])
        )
