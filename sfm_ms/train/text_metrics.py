"""What a language model makes of texts: bits a byte of code, and whether it foretells what programs print.

Shapes: B rows, T tokens, P programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mindspore import Tensor, nn

from sfm_ms.data.readings import Piece, Reading, pieces
from sfm_ms.data.text_batches import NUM_INPUTS, TextBatch, as_batch
from sfm_ms.nn.statement_places import same
from sfm_ms.recipe import Recipe, RecipeError
from sfm_ms.train.text_step import likeliest, nll_of

NOTHING = Piece(0, 0, 0, 0)


class Answers(NamedTuple):
    """Of each program's answers, (P,): all are right; the verdict on the one least trusted (logit)."""

    is_right: np.ndarray
    verdict: np.ndarray


class _Judgement(nn.Cell):
    """-> (nll (B, T), is the most likely token right (B, T), verdict (B, T), *state)."""

    def __init__(self, model: nn.Cell):
        super().__init__()
        self.model = model

    def construct(self, tokens, operand, recalled, is_token, is_end, kinds, edges, targets, *state):
        logits, hidden, _, *state = self.model(tokens, operand, recalled, is_token, is_end, kinds, edges, *state)
        choice = likeliest(logits)
        return (nll_of(logits, targets), same(choice, targets), self.model.verdict(hidden, logits, choice), *state)


class TextReader:
    """Reads texts with one compiled graph of the recipe's window, whatever their length; a model without state sees a text whole,
    with a graph for each multiple of the window."""

    def __init__(self, model: nn.Cell, recipe: Recipe):
        self.model, self.task, self.batch_size = model, recipe.task, recipe.evaluation.batch_size
        self.judge = _Judgement(model)
        has_memory = recipe.model.kind == "state_flow_machine" and recipe.model.structure
        self.most_statements = recipe.model.max_nodes if has_memory else None

    def bits(self, rows: Sequence[tuple[Reading, Piece]]) -> tuple[float, np.ndarray]:
        """Of all code in the pieces, each read from an empty state; and how often each token was to be foretold."""
        task = self.task
        bits, counts = 0.0, np.zeros(task.vocabulary, np.int64)
        for batch_rows in self.batches(rows, (rows[0][0], NOTHING)):
            batch = as_batch(batch_rows, task.window_tokens, task.window_statements, task.edges_per_statement)
            (nll_BT, *_), _ = self.read(batch, self.model.begin(self.batch_size))
            bits += float((nll_BT * batch.is_code_BT).sum()) / np.log(2)
            counts += np.bincount(batch.targets_BT[batch.is_code_BT > 0], minlength=len(counts))
        return bits, counts

    def answers(self, programs: Sequence[Reading]) -> Answers:
        parts = [self.answers_of(batch) for batch in self.batches(programs, programs[0])]
        return Answers(*(np.concatenate(part)[: len(programs)] for part in zip(*parts, strict=True)))

    def answers_of(self, programs: Sequence[Reading]) -> Answers:
        """Of a batch of programs, piece by piece."""
        task = self.task
        for program in programs:
            self.refuse_too_long(program)
        num_tokens, num_statements = task.window_tokens, task.window_statements
        if not self.model.carries_state:
            longest = max(len(program.is_end) for program in programs)
            num_tokens = -(-longest // num_tokens) * num_tokens
            num_statements = num_tokens  # at most, and alike for texts of one graph
        cut = [pieces(program, num_tokens, num_statements) for program in programs]
        state = self.model.begin(len(programs))
        is_right, verdict = np.ones(len(programs), bool), np.full(len(programs), np.inf, np.float32)
        for number in range(max(map(len, cut))):
            rows = [(program, its[number] if number < len(its) else NOTHING) for program, its in zip(programs, cut, strict=True)]
            batch = as_batch(rows, num_tokens, num_statements, task.edges_per_statement, is_continued=True)
            (_, right_BT, verdict_BT), state = self.read(batch, state)
            is_right &= ((right_BT > 0) | (batch.is_answer_BT == 0)).all(1)
            verdict = np.minimum(verdict, np.where(batch.is_answer_BT > 0, verdict_BT, np.inf).min(1))
        return Answers(is_right, verdict)

    def refuse_too_long(self, text: Reading) -> None:
        if self.most_statements is not None and len(text.kinds) > self.most_statements:
            wanted = f"at least {len(text.kinds)}, the statements of a text to be read"
            raise RecipeError(f"model.max_nodes: expected {wanted}, got {self.most_statements}")

    def batches(self, rows: Sequence, filling) -> list[list]:
        filled = [*rows, *[filling] * (-len(rows) % self.batch_size)]
        return [filled[start : start + self.batch_size] for start in range(0, len(filled), self.batch_size)]

    def read(self, batch: TextBatch, state: tuple) -> tuple[list[np.ndarray], tuple]:
        results = self.judge(*map(Tensor, batch[: NUM_INPUTS + 1]), *state)
        return [result.asnumpy() for result in results[:3]], results[3:]


def bits_per_byte(reader: TextReader, rows: Sequence[tuple[Reading, Piece]], bytes_of_tokens: Sequence[bytes]) -> float:
    bits, counts = reader.bits(rows)
    return bits / sum(count * len(spelled) for count, spelled in zip(counts.tolist(), bytes_of_tokens, strict=False))
