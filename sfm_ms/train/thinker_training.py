"""What the trainer does with code execution: a step, probes of every difficulty that steer what is shown next, the judge."""

from __future__ import annotations

import functools

import numpy as np
from mindspore import nn

from sfm_ms.data import difficulty
from sfm_ms.data.hf_tokenizer import HfTokenizer
from sfm_ms.data.thinker_batches import Encoded, ThinkerBatches, held_out, tokenizer_of
from sfm_ms.recipe import Recipe
from sfm_ms.tasks.calibration import area_under_roc, can_rank
from sfm_ms.tasks.scoring import score
from sfm_ms.train.parallel import Ranks
from sfm_ms.train.run_folder import RunFolder
from sfm_ms.train.thinker_reader import ThinkerReader
from sfm_ms.train.thinker_step import FIGURES, ThinkerStep
from sfm_ms.train.training import Training

SHARE_WRONG = 0.5  # of the samples that are judged


class ThinkerTraining(Training):
    figures = FIGURES
    validated = ("validation_exact_match", "validation_judge_auc")
    rows = "rows"

    def __init__(self, recipe: Recipe, model: nn.Cell, folder: RunFolder, ranks: Ranks):
        self.recipe, self.ranks = recipe, ranks
        self.tokenizer = ranks.in_turn(lambda: kept_tokenizer(recipe, folder))
        self.batches = ThinkerBatches(recipe, self.tokenizer, ranks.rank, ranks.world)
        self.step = self.update = ThinkerStep(model, recipe, ranks)
        self.reader = ThinkerReader(model, self.tokenizer, recipe)
        self.accuracies = difficulty.start(recipe.task.difficulties)

    def take_step(self, step: int, rate: float) -> dict[str, float]:
        return self.step(self.batches.batch(step, difficulty.weights(self.accuracies)), rate)

    def validate(self) -> tuple[float, dict[str, float]]:
        """All ranks share the work and come to the same figures."""
        right = self._shared(self.probes, self._answers)
        verdicts = self._shared(self.judged, self.reader.verdicts)
        levels = self.recipe.task.difficulties
        shares = right.reshape(len(levels), -1).mean(1).tolist()
        self.accuracies = difficulty.updated(self.accuracies, dict(zip(levels, shares, strict=True)))
        is_correct = np.array([each.sample.is_correct for each in self.judged])
        area = area_under_roc(verdicts, is_correct) if can_rank(verdicts, is_correct) else 0.5  # few samples may be all alike
        exact_match = float(right.mean())
        return exact_match + area, dict(zip(self.validated, (exact_match, area), strict=True))

    @functools.cached_property
    def probes(self) -> list[Encoded]:
        """Of each difficulty as many, correct ones."""
        return self._held_out(0.0)

    @functools.cached_property
    def judged(self) -> list[Encoded]:
        return self._held_out(SHARE_WRONG)

    def _held_out(self, share_wrong: float) -> list[Encoded]:
        task = self.recipe.task
        drawn = (self.recipe, self.tokenizer, "valid", "code_execution")
        return [each for level in task.difficulties for each in held_out(*drawn, level, task.probe_samples, share_wrong)]

    def _answers(self, samples: list[Encoded]) -> list[float]:
        told = self.reader.told([each.tokens[: each.num_given] for each in samples])
        return [score(text, each.sample).answer for text, each in zip(told, samples, strict=True)]

    def _shared(self, samples: list[Encoded], ask) -> np.ndarray:
        """A number for each sample, each asked on one rank."""
        numbers, own = np.zeros(len(samples), np.float32), slice(self.ranks.rank, None, self.ranks.world)
        numbers[own] = ask(samples[own])
        return self.ranks.total(numbers)

    def line(self, row: dict) -> str:
        line = f"loss {row['loss']:.4f}  told {row['told_loss']:.4f}  judge {row['judge_loss']:.4f}"
        exact_match, area = (row[name] for name in self.validated)
        if exact_match == "":
            return line
        levels = " ".join(f"{level}:{accuracy:.0%}" for level, accuracy in self.accuracies.items())
        return f"{line}  validation {exact_match:.1%}, judge AUC {area:.3f}  by difficulty {levels}"

    def state(self) -> dict:
        return {"accuracies": self.accuracies}

    def restore(self, state: dict, optimizer: dict[str, np.ndarray]) -> None:
        self.accuracies = difficulty.checked(state["accuracies"], self.recipe.task.difficulties)
        self.update.restore(optimizer)


def kept_tokenizer(recipe: Recipe, folder: RunFolder) -> HfTokenizer:
    """The run's own: where it has none yet, the one that it is to go on with, its checkpoint's, or one trained on samples."""
    if not folder.tokenizer_file.is_file():
        from_run = RunFolder.existing(folder.path.parent, recipe.init_from).path if recipe.init_from else None
        tokenizer = HfTokenizer.load(from_run) if from_run else tokenizer_of(recipe)
        tokenizer.save(folder.path)
    return HfTokenizer.load(folder.path)
