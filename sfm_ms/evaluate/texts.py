"""A language model on code that it has not seen, and on programs that print, at every test length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from sfm_ms.data.readings import Reading
from sfm_ms.data.text_batches import code_pieces, held_out_programs
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.evaluate.columns import aligned
from sfm_ms.models import num_parameters
from sfm_ms.recipe import Recipe
from sfm_ms.tasks import calibration
from sfm_ms.train import trained
from sfm_ms.train.run_folder import RunFolder
from sfm_ms.train.text_metrics import Answers, TextReader, bits_per_byte

COVERAGE = 0.9  # share of the answers that are kept when those least trusted are left out
FIGURES = ("exact_match", "majority_class", "area_under_roc", "calibration_error", "error", "error_of_trusted")


def evaluate(run: RunFolder, multipliers: Iterable[int] | None = None) -> dict:
    """As evaluate/__init__.py says; with other multipliers the code is left out."""
    recipe = run.recipe()
    task = recipe.task
    model, step, is_best = trained.load(run)
    reader, tokenizer = TextReader(model, recipe), TextTokenizer.load(run.tokenizer_file)
    results: dict = {"num_parameters": num_parameters(model), "step": step, "seeds": [recipe.seed]}
    if multipliers is None and task.program_share < 1:
        rows = code_pieces(task, tokenizer, "test")
        results["bits_per_byte"] = bits_per_byte(reader, rows, tokenizer.bytes_of_tokens())
    results.update({name: {} for name in FIGURES})
    lengths = task.programs.test_multipliers if multipliers is None else tuple(multipliers)
    for multiplier in lengths if task.program_share > 0 else ():
        programs = held_out_programs(recipe, tokenizer, multiplier)
        for name, figure in figures(programs, reader.answers(programs)).items():
            results[name][str(multiplier)] = figure
    if multipliers is None and is_best:
        run.write_results(results)
    return results


def figures(programs: list[Reading], answers: Answers) -> dict[str, float]:
    """Of FIGURES, those that there are: no verdict is worth a figure where all are the same, or all answers alike."""
    labels = Counter(tuple(program.tokens[1:][program.is_answer]) for program in programs)
    found = {"exact_match": float(answers.is_right.mean()), "majority_class": max(labels.values()) / len(programs)}
    if not calibration.can_rank(answers.verdict, answers.is_right):
        return found
    probabilities = 1 / (1 + np.exp(-answers.verdict.astype(np.float64)))
    found["area_under_roc"] = calibration.area_under_roc(answers.verdict, answers.is_right)
    found["calibration_error"] = calibration.expected_calibration_error(probabilities, answers.is_right)
    found["error"] = 1 - found["exact_match"]
    found["error_of_trusted"] = calibration.error_at_coverage(answers.verdict, answers.is_right, COVERAGE)
    return found


def table(results: dict, recipe: Recipe) -> str:
    """Code in one line, then programs, one line for each length."""
    code = [f"code not seen in training: {results['bits_per_byte']:.4f} bits per byte"] if "bits_per_byte" in results else []
    rows = [["length", "operations", "exact", "majority class", "area under ROC", "ECE", "error", f"error at {COVERAGE:.0%}"]]
    for multiplier in results["exact_match"]:
        operations = int(multiplier) * recipe.task.programs.test_base_operations
        shown = [results[name].get(multiplier) for name in FIGURES]
        exact, majority, area, *others = shown
        cells = [f"{exact:.1%}", f"{majority:.1%}", "" if area is None else f"{area:.3f}"]
        rows.append(
            [f"{multiplier}x", str(operations), *cells, *("" if figure is None else f"{figure:.1%}" for figure in others)]
        )
    return "\n".join([*code, *([aligned(rows)] if len(rows) > 1 else [])])
