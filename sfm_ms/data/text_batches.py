"""Batches of pieces of text as arrays: of Python files in an order of each epoch's own, and of fresh transcripts of programs.

Shapes: B rows, T tokens, L tokens that each recalls, S statements, E edges.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from sfm_ms.data.last_uses import NEVER, NUM_RECALLED
from sfm_ms.data.operands import OUTSIDE
from sfm_ms.data.readings import Piece, Reading, pieces, read_text
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.recipe import Recipe, RecipeError
from sfm_ms.recipe.schema import ExecutedPrograms, PythonCodeTask
from sfm_ms.tasks.python_code import SourceFile, source_files
from sfm_ms.tasks.state_tracking import Language
from sfm_ms.tasks.transcripts import Chances, Transcript, transcripts

TRAINING, VALIDATION, TEST = 0, 1, 2  # streams of programs that never meet; TEST + multiplier: those of a length
_ORDER_STREAM = 2**32  # of the random numbers that shuffle an epoch


NUM_INPUTS = 7  # of a TextBatch, the first ones, that models take


class TextBatch(NamedTuple):
    """What models take (tokens to edges), and what they should say: `targets`, where code or an answer goes on."""

    tokens_BT: np.ndarray  # int32
    operand_BT: np.ndarray  # int32, as data/operands.py has it
    recalled_BTL: np.ndarray  # int32, as data/last_uses.py has it
    is_token_BT: np.ndarray  # float32, like all that begins with is_
    is_end_BT: np.ndarray
    kinds_BS: np.ndarray  # int32
    edges_BE3: np.ndarray  # int32: earlier statement, later statement, kind; -1 for the later one where there is none
    targets_BT: np.ndarray  # int32
    is_code_BT: np.ndarray
    is_answer_BT: np.ndarray


def tokenizer_of(recipe: Recipe) -> TextTokenizer:
    """Trained on the recipe's training files."""
    return TextTokenizer.train((file.text for file in files(recipe.task, "train")), recipe.task.vocabulary)


def files(task: PythonCodeTask, split: str) -> list[SourceFile]:
    try:
        found = source_files(task.trees, split=split, held_out=task.held_out)
    except ValueError as error:
        raise RecipeError(f"task.{error}") from error
    return found[: task.train_files] if split == "train" and task.train_files else found


def code_pieces(task: PythonCodeTask, tokenizer: TextTokenizer, split: str) -> list[tuple[Reading, Piece]]:
    """All pieces of the split's files, each with its text."""
    readings = (read_text(file.text, tokenizer, task.edges_per_statement) for file in files(task, split))
    return [(r, piece) for r in readings for piece in pieces(r, task.window_tokens, task.window_statements)]


def training_programs(recipe: Recipe, tokenizer: TextTokenizer, rows: Iterable[int], max_operations: int) -> list[Reading]:
    """For each row as many programs, one after the other, as fill a window."""
    task, programs = recipe.task, recipe.task.programs
    drawn, operations = (language(programs), recipe.seed, TRAINING), (programs.min_operations, max_operations)
    chances = Chances(programs.annotated_share, programs.question_share)
    texts, filling = {row: Transcript("", []) for row in rows}, list(rows)
    for number in itertools.count():
        indices = np.array([row * task.window_tokens + number for row in filling])  # a program has more than one token
        for row, more in zip(filling, transcripts(*drawn, indices, *operations, chances), strict=True):
            texts[row] = texts[row].followed_by(more)
        filling = [row for row in filling if len(tokenizer.encode(texts[row].text)) < task.window_tokens]
        if not filling:
            return [read_text(text, tokenizer, task.edges_per_statement, answers) for text, answers in texts.values()]


def held_out_programs(recipe: Recipe, tokenizer: TextTokenizer, multiplier: int | None = None) -> list[Reading]:
    """Bare programs: for the test exactly test_base_operations x multiplier operations long, for validation as in training."""
    programs = recipe.task.programs
    if multiplier is None:
        stream, number = VALIDATION, programs.validation_programs
        operations = programs.min_operations, programs.max_operations
    else:
        stream, number = TEST + multiplier, programs.test_programs
        operations = (multiplier * programs.test_base_operations,) * 2
    texts = transcripts(language(programs), recipe.seed, stream, np.arange(number), *operations, None)
    return [read_text(text, tokenizer, recipe.task.edges_per_statement, answers) for text, answers in texts]


def language(programs: ExecutedPrograms) -> Language:
    return Language("chained", programs.num_variables, programs.modulus)


class TextBatches:
    """Batch of step s, for any s. The first rows are programs, as many as the recipe's share; the others are pieces of code."""

    def __init__(self, recipe: Recipe, tokenizer: TextTokenizer):
        self.recipe, self.tokenizer = recipe, tokenizer
        task, batch_size = recipe.task, recipe.training.batch_size
        self.num_programs = round(task.program_share * batch_size)
        self.num_code = batch_size - self.num_programs
        self.pieces = code_pieces(task, tokenizer, "train") if self.num_code else []
        self.epoch, self.order = -1, np.empty(0, int)

    def __getitem__(self, step: int) -> TextBatch:
        indices = range(step * self.num_programs, (step + 1) * self.num_programs)
        task = self.recipe.task
        programs = training_programs(self.recipe, self.tokenizer, indices, self.max_operations(step)) if self.num_programs else []
        rows = [(r, pieces(r, task.window_tokens, task.window_statements)[0]) for r in programs]
        rows += [self.pieces[self._place(step * self.num_code + row)] for row in range(self.num_code)]
        return as_batch(rows, task.window_tokens, task.window_statements, task.edges_per_statement)

    def max_operations(self, step: int) -> int:
        """Of the programs of a step: ever more over the curriculum."""
        programs = self.recipe.task.programs
        if step >= programs.curriculum_steps:
            return programs.max_operations
        choices = programs.max_operations - programs.min_operations + 1
        return programs.min_operations + choices * step // programs.curriculum_steps

    def _place(self, count: int) -> int:
        """The piece that is number `count` of all that are ever read."""
        epoch, place = divmod(count, len(self.pieces))
        if epoch != self.epoch:
            generator = np.random.Generator(np.random.Philox(key=[self.recipe.seed, _ORDER_STREAM], counter=[0, 0, 0, epoch]))
            self.epoch, self.order = epoch, generator.permutation(len(self.pieces))
        return self.order[place]


def as_batch(
    rows: Sequence[tuple[Reading, Piece]],
    num_tokens: int,
    num_statements: int,
    edges_per_statement: int,
    is_continued: bool = False,
) -> TextBatch:
    """The pieces side by side. Statements are counted from the piece's own first one, or, where the state of earlier pieces goes
    on into this one, from the text's."""
    num_rows = len(rows)
    batch = TextBatch(
        np.zeros((num_rows, num_tokens), np.int32),
        np.full((num_rows, num_tokens), OUTSIDE, np.int32),
        np.full((num_rows, num_tokens, NUM_RECALLED), NEVER, np.int32),
        *(np.zeros((num_rows, num_tokens), np.float32) for _ in range(2)),
        np.zeros((num_rows, num_statements), np.int32),
        np.full((num_rows, num_statements * edges_per_statement, 3), (0, -1, 0), np.int32),
        np.zeros((num_rows, num_tokens), np.int32),
        np.zeros((num_rows, num_tokens), np.float32),
        np.zeros((num_rows, num_tokens), np.float32),
    )
    for row, (reading, piece) in enumerate(rows):
        span = slice(piece.first, piece.first + piece.num_tokens)
        batch.tokens_BT[row, : piece.num_tokens] = reading.tokens[span]
        batch.operand_BT[row, : piece.num_tokens] = reading.operand[span]
        batch.recalled_BTL[row, : piece.num_tokens] = reading.recalled[span]
        batch.is_token_BT[row, : piece.num_tokens] = 1
        batch.is_end_BT[row, : piece.num_tokens] = reading.is_end[span]
        batch.kinds_BS[row, : piece.num_statements] = reading.kinds[piece.first_statement :][: piece.num_statements]
        batch.targets_BT[row, : piece.num_tokens] = reading.tokens[piece.first + 1 :][: piece.num_tokens]
        is_program = reading.is_answer.any()
        batch.is_code_BT[row, : piece.num_tokens] = not is_program
        batch.is_answer_BT[row, : piece.num_tokens] = reading.is_answer[span]
        edges = edges_of(reading, piece, is_continued)
        batch.edges_BE3[row, : len(edges)] = edges
    return batch


def edges_of(reading: Reading, piece: Piece, is_continued: bool) -> np.ndarray:
    first, last = np.searchsorted(reading.edges[:, 1], (piece.first_statement, piece.first_statement + piece.num_statements))
    edges = reading.edges[first:last]
    if is_continued:
        return edges
    edges = edges[edges[:, 0] >= piece.first_statement]
    return edges - np.array([piece.first_statement, piece.first_statement, 0], np.int32)
