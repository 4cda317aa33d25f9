"""State tracking at every test length, beside readers that need no model."""

from __future__ import annotations

import csv
from collections.abc import Iterable

import numpy as np

from sfm_ms import plots
from sfm_ms.data.splits import test_programs
from sfm_ms.evaluate.columns import aligned
from sfm_ms.models import num_parameters
from sfm_ms.recipe import Recipe
from sfm_ms.tasks import state_tracking, trivial_readers
from sfm_ms.train import trained
from sfm_ms.train.metrics import Answerer
from sfm_ms.train.run_folder import RunFolder

CLOSE = 5  # an answer less than this far off is a close match
FIGURES = ("exact_match", "close_match", "majority_class", "window_reader", "backward_slice", "ticks")


def evaluate(run: RunFolder, multipliers: Iterable[int] | None = None) -> dict:
    """As evaluate/__init__.py says."""
    recipe = run.recipe()
    model, step, is_best = trained.load(run)
    answer = Answerer(model, recipe.training.segment_statements, recipe.evaluation.batch_size)

    results: dict = {
        "num_parameters": num_parameters(model),
        "train_programs": recipe.task.train_programs,
        "step": step,
        "seeds": [recipe.seed],
        **{name: {} for name in FIGURES},
    }
    lengths = recipe.task.test_multipliers if multipliers is None else tuple(multipliers)
    for multiplier in lengths:
        for name, figure in _at_length(answer, recipe, multiplier).items():
            results[name][str(multiplier)] = figure
    if lengths == recipe.task.test_multipliers and is_best:
        run.write_results(results)
        plots.accuracy_by_length(results, recipe.task.test_base_operations, run.plots / "accuracy_by_length.png")
        plots.training(_metrics(run), run.plots / "training.png")
    return results


def _at_length(answer: Answerer, recipe: Recipe, multiplier: int) -> dict:
    programs = test_programs(recipe, multiplier)
    truth = state_tracking.true_answers(programs)
    predicted, ticks = answer(programs)
    majority, majority_accuracy = trivial_readers.majority_class(truth)
    readers = {str(lines): trivial_readers.window_reader(programs, lines, majority) for lines in recipe.task.window_lines}
    is_kind = {name: (programs.kind == kind) & programs.is_statement for kind, name in enumerate(state_tracking.KINDS)}
    return {
        "exact_match": float((predicted == truth).mean()),
        "close_match": float((np.abs(predicted - truth) < CLOSE).mean()),
        "majority_class": majority_accuracy,
        "window_reader": {lines: float((guess == truth).mean()) for lines, guess in readers.items()},
        "backward_slice": float(trivial_readers.backward_slice(programs).mean()),
        "ticks": {name: float(ticks[of_kind].mean()) for name, of_kind in is_kind.items() if of_kind.any()},
    }


def table(results: dict, recipe: Recipe) -> str:
    """One line for each length."""
    base_operations = recipe.task.test_base_operations
    windows = list(next(iter(results["window_reader"].values())))
    header = ["length", "operations", "exact", "close", "majority class", *(f"last {lines} lines" for lines in windows), "slice"]
    rows = [header]
    for multiplier, exact in results["exact_match"].items():
        figures = [exact, results["close_match"][multiplier], results["majority_class"][multiplier]]
        figures += [results["window_reader"][multiplier][lines] for lines in windows]
        percentages = [f"{figure:.1%}" for figure in figures]
        backward_slice = f"{results['backward_slice'][multiplier]:.1f}"
        rows.append([f"{multiplier}x", str(int(multiplier) * base_operations), *percentages, backward_slice])
    return aligned(rows)


def _metrics(run: RunFolder) -> list[dict[str, float]]:
    with run.metrics_file.open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
