"""What the trainer does with Python code and programs that print: a step, validation, and what to say of both."""

from __future__ import annotations

import functools

from mindspore import nn

from sfm_ms.data.readings import Piece, Reading
from sfm_ms.data.text_batches import TextBatches, code_pieces, held_out_programs, tokenizer_of
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.recipe import Recipe
from sfm_ms.train.parallel import Ranks
from sfm_ms.train.run_folder import RunFolder
from sfm_ms.train.text_metrics import TextReader, bits_per_byte
from sfm_ms.train.text_step import FIGURES, TextTrainingStep
from sfm_ms.train.training import Training


class TextTraining(Training):
    figures = FIGURES
    validated = ("validation_bits_per_byte", "validation_exact_match")
    rows = "pieces"

    def __init__(self, recipe: Recipe, model: nn.Cell, folder: RunFolder, ranks: Ranks):
        self.recipe, self.step = recipe, TextTrainingStep(model, recipe)
        self.has_opinion = model.has_opinion
        self.update, self.reader = self.step.update, TextReader(model, recipe)
        self.tokenizer = kept_tokenizer(recipe, folder)

    @functools.cached_property
    def batches(self) -> TextBatches:
        return TextBatches(self.recipe, self.tokenizer)

    @functools.cached_property
    def validation(self) -> tuple[list[tuple[Reading, Piece]], list[Reading]]:
        """Pieces of code, evenly spread over the files, and programs."""
        task = self.recipe.task
        rows = code_pieces(task, self.tokenizer, "valid") if task.program_share < 1 else []
        spread = rows[:: max(1, len(rows) // task.validation_pieces)][: task.validation_pieces]
        return spread, held_out_programs(self.recipe, self.tokenizer) if task.program_share > 0 else []

    def take_step(self, step: int, rate: float) -> dict[str, float]:
        return self.step(self.batches[step], rate)

    def validate(self) -> tuple[float, dict[str, float]]:
        code, programs = self.validation
        bits = bits_per_byte(self.reader, code, self.tokenizer.bytes_of_tokens()) if code else 0.0
        exact_match = float(self.reader.answers(programs).is_right.mean()) if programs else 0.0
        return exact_match - bits, dict(zip(self.validated, (bits, exact_match), strict=True))

    def line(self, row: dict) -> str:
        line = f"loss {row['loss']:.4f}  code {row['code_loss']:.4f}  answers right {row['answer_accuracy']:.1%}"
        line += f" ({row['opinion_accuracy']:.1%} by Execution alone)" if self.has_opinion else ""
        line += f"  ticks {row['mean_ticks']:.2f}"
        bits, exact_match = (row[name] for name in self.validated)
        return line if bits == "" else f"{line}  validation {bits:.4f} bits/byte, {exact_match:.1%} of programs"


def kept_tokenizer(recipe: Recipe, folder: RunFolder) -> TextTokenizer:
    """The run's own, trained where there is none yet."""
    if not folder.tokenizer_file.is_file():
        tokenizer_of(recipe).save(folder.tokenizer_file)
    return TextTokenizer.load(folder.tokenizer_file)
