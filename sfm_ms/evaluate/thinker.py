"""A Thinker on programs that it has not seen, by difficulty: what it tells of them, how well it judges, what it mends."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from sfm_ms.data.hf_tokenizer import HfTokenizer
from sfm_ms.data.thinker_batches import Encoded, held_out
from sfm_ms.evaluate.columns import aligned
from sfm_ms.recipe import Recipe
from sfm_ms.tasks.calibration import area_under_roc, can_rank
from sfm_ms.tasks.code_execution import CodeSample
from sfm_ms.tasks.debugging import DebuggingSample, outcome
from sfm_ms.tasks.scoring import parts, score
from sfm_ms.train import trained
from sfm_ms.train.run_folder import RunError, RunFolder
from sfm_ms.train.thinker_reader import ThinkerReader
from sfm_ms.train.thinker_training import SHARE_WRONG
from sfm_ms.train.trained import Trained

FIGURES = ("exact_match", "slot_accuracy", "trace_accuracy", "judge_auc", "majority_class", "fixes")


def evaluate(run: RunFolder, multipliers: Iterable[int] | None = None) -> dict:
    """As evaluate/__init__.py says. RunError also where there are multipliers, since tests here have no lengths.

    Figures are from 0 to 1, by difficulty as text; `fixes` has none where debugging was not trained.
    """
    if multipliers is not None:
        got = " ".join(map(str, multipliers))
        raise RunError(f"--multipliers: expected none, since programs of {run.path} have a difficulty and no length, got {got}")
    recipe = run.recipe()
    reader, (model, step, is_best) = reader_of(run)
    num_parameters = sum(parameter.size for parameter in model.get_parameters())  # frozen ones too
    results: dict = {"num_parameters": num_parameters, "step": step, "seeds": [recipe.seed], **{name: {} for name in FIGURES}}
    for difficulty in recipe.task.difficulties:
        for name, figure in at_difficulty(reader, recipe, difficulty).items():
            results[name][str(difficulty)] = figure
    if is_best:
        run.write_results(results)
    return results


def reader_of(run: RunFolder, batch_size: int | None = None) -> tuple[ThinkerReader, Trained]:
    """What reads with the run's best checkpoint, so many texts together or as many as its recipe says.

    Raises CheckpointError, or RunError, also for a run of another task or without its tokenizer.
    """
    recipe = run.recipe()
    if recipe.task.kind != "code_execution":
        raise RunError(f"{run.path}: expected a run of the task code_execution, got one of {recipe.task.kind}")
    found = trained.load(run)
    try:
        tokenizer = HfTokenizer.load(run.path)
    except ValueError as error:
        raise RunError(str(error)) from error
    if batch_size is not None:
        recipe = dataclasses.replace(recipe, evaluation=dataclasses.replace(recipe.evaluation, batch_size=batch_size))
    return ThinkerReader(found.model, tokenizer, recipe), found


def at_difficulty(reader: ThinkerReader, recipe: Recipe, difficulty: int) -> dict[str, float]:
    """Of FIGURES, those that there are."""
    task = recipe.task
    drawn = functools.partial(held_out, recipe, reader.tokenizer, "test", difficulty=difficulty, count=task.test_samples)
    correct, judged = drawn("code_execution"), drawn("code_execution", share_wrong=SHARE_WRONG)
    found = told_figures(*_told(reader, correct))
    found |= judge_figures([each.sample for each in judged], reader.verdicts(judged))
    if task.share_debugging > 0:
        found["fixes"] = share_mended(*_told(reader, drawn("debugging")))
    return found


def _told(reader: ThinkerReader, samples: Sequence[Encoded]) -> tuple[list, list[str]]:
    """The samples themselves, and each one's prompt with what is told after it."""
    return [each.sample for each in samples], reader.told([each.tokens[: each.num_given] for each in samples])


def told_figures(samples: Sequence[CodeSample], texts: Sequence[str]) -> dict[str, float]:
    """samples: correct ones. texts: each one's prompt and what is told after it."""
    scores = np.mean([score(text, sample) for text, sample in zip(texts, samples, strict=True)], 0)
    answers = Counter(sample.answer for sample in samples)
    found = dict(zip(("exact_match", "slot_accuracy", "trace_accuracy"), scores.tolist(), strict=True))
    return {**found, "majority_class": max(answers.values()) / len(samples)}


def judge_figures(samples: Sequence[CodeSample], verdicts: np.ndarray) -> dict[str, float]:
    """The chance that a correct sample has a higher verdict than a wrong one; none where all of either are alike."""
    is_correct = np.array([sample.is_correct for sample in samples])
    return {"judge_auc": area_under_roc(verdicts, is_correct)} if can_rank(verdicts, is_correct) else {}


def share_mended(samples: Sequence[DebuggingSample], texts: Sequence[str]) -> float:
    """The share of the samples whose fix, as told, passes their tests; a missing one does not."""
    fixes = [parts(text).get("fix") for text in texts]
    passes = [fix is not None and not outcome(fix, sample.tests).error for fix, sample in zip(fixes, samples, strict=True)]
    return sum(passes) / len(passes)


def table(results: dict, recipe: Recipe) -> str:
    """One line for each difficulty."""
    columns = {
        "exact_match": ("exact", ".1%"),
        "majority_class": ("majority class", ".1%"),
        "slot_accuracy": ("slots", ".1%"),
        "trace_accuracy": ("trace lines", ".1%"),
        "judge_auc": ("judge's area under ROC", ".3f"),
        "fixes": ("fixes that pass", ".1%"),
    }
    shown = [name for name in columns if results[name]]
    rows = [["difficulty", *(columns[name][0] for name in shown)]]
    for difficulty in results["exact_match"]:
        figures = [(results[name].get(difficulty), columns[name][1]) for name in shown]
        rows.append([difficulty, *("" if figure is None else format(figure, form) for figure, form in figures)])
    return aligned(rows)
