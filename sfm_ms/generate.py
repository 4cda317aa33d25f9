"""Goes on with a text token by token; all four systems keep their state, so a token costs the same wherever it stands.

What a program prints can be verified on the way: an answer that the model does not trust is rejected and another one tried, a few
times at most.

Shapes: T tokens, Y tokens in the vocabulary, D width.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.data.growing_reading import GrowingReading, ReadToken
from sfm_ms.data.last_uses import LastUses
from sfm_ms.data.operands import OUTSIDE
from sfm_ms.data.readings import Reading, pieces
from sfm_ms.data.text_batches import NUM_INPUTS, as_batch
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.recipe.schema import PythonCodeTask

LONGEST_ANSWER = 16  # tokens


class Place(NamedTuple):
    """Where a text goes on: what the model makes of all tokens before."""

    logits_Y: np.ndarray
    hidden: Tensor  # (1, 1, D)
    state: tuple[Tensor, ...]


class Answer(NamedTuple):
    text: str
    trust: float  # the chance, as the model sees it, that its least certain token is right
    attempts: int
    is_accepted: bool


class Generator:
    """Of one text at a time. `model` carries its state; ValueError if it does not."""

    def __init__(self, model: nn.Cell, tokenizer: TextTokenizer, task: PythonCodeTask):
        if not model.carries_state:
            raise ValueError(f"model: expected one that carries a state from token to token, got {type(model).__name__}")
        self.model, self.tokenizer, self.task = model, tokenizer, task
        self.read_piece, self.judge = _LastOfPiece(model), _Verdict(model)

    def write(self, prompt: str, num_tokens: int, temperature: float = 1.0, seed: int = 0) -> Iterator[str]:
        """Text after the prompt, a token at a time, until the model ends it; temperature 0 takes the most likely tokens."""
        rng = np.random.default_rng(seed)
        reading, place = self.begin(prompt)
        for _ in range(num_tokens):
            token = drawn(place.logits_Y, temperature, rng)
            if token == self.tokenizer.end:
                return
            before = len(reading.text)
            place = self.read([reading.append(token)], place.state)
            yield reading.text[before:]

    def answer(self, prompt: str, threshold: float = 0.5, most_attempts: int = 3) -> Answer:
        """The rest of the prompt's last line, such as what a program prints after "# ".

        Each attempt begins with the next of the most likely tokens and takes the likeliest from there. It is rejected while its
        trust is below the threshold; if all are, the answer is the one trusted most.
        """
        reading, place = self.begin(prompt)
        first_tokens = np.argsort(-place.logits_Y, kind="stable")[:most_attempts]
        tried: list[Answer] = []
        for attempt, first in enumerate(first_tokens.tolist(), start=1):
            text, trust = self.rest_of_line(copy.deepcopy(reading.last_uses), place, first)
            tried.append(Answer(text, trust, attempt, trust >= threshold))
            if trust >= threshold:
                return tried[-1]
        return max(tried, key=lambda answer: answer.trust)._replace(attempts=len(tried))

    def rest_of_line(self, last_uses: LastUses, place: Place, token: int) -> tuple[str, float]:
        """What follows if the next token is this one, and the trust in it."""
        tokens, trust = [], 1.0
        while len(tokens) < LONGEST_ANSWER and token != self.tokenizer.end:
            text = self.tokenizer.decode([token])
            trust = min(trust, self.trust(place, token))
            tokens.append(token)
            if "\n" in text:
                break
            in_comment = ReadToken(token, OUTSIDE, last_uses.feed(token), completes=None)
            place = self.read([in_comment], place.state)
            token = int(place.logits_Y.argmax())
        return self.tokenizer.decode(tokens).partition("\n")[0], trust

    def trust(self, place: Place, token: int) -> float:
        logit = self.judge(place.hidden, Tensor(place.logits_Y[None, None]), Tensor(np.array([[token]], np.int32)))
        return float(1 / (1 + np.exp(-logit.asnumpy()[0, 0])))

    def begin(self, prompt: str) -> tuple[GrowingReading, Place]:
        reading = GrowingReading(self.tokenizer, self.task.edges_per_statement)
        tokens = self.tokenizer.encode(prompt).tolist()
        return reading, self.read([reading.start, *map(reading.append, tokens)], self.model.begin(1))

    def read(self, tokens: list[ReadToken], state: tuple) -> Place:
        """After what `state` has read."""
        complete = [token.completes for token in tokens if token.completes is not None]
        first = complete[0].number if complete else 0
        reading = Reading(
            np.array([*(token.number for token in tokens), self.tokenizer.end], np.int32),
            np.array([token.operand for token in tokens], np.int32),
            np.array([token.recalled for token in tokens], np.int32),
            np.array([token.completes is not None for token in tokens]),
            np.array([statement.kind for statement in complete], np.int32),
            np.concatenate([np.zeros((0, 3), np.int32), *(statement.edges for statement in complete)]) - (first, first, 0),
            np.zeros(len(tokens), bool),
        )
        limits = (self.task.window_tokens, self.task.window_statements) if len(tokens) > 1 else (1, 1)
        for piece in pieces(reading, *limits):
            arrays = as_batch([(reading, piece)], *limits, self.task.edges_per_statement, is_continued=True)[:NUM_INPUTS]
            edges = arrays[-1]
            edges[edges[:, :, 1] >= 0] += np.array([first, first, 0], np.int32)
            logits, hidden, *state = self.read_piece(*map(Tensor, arrays), *state)
        return Place(logits.asnumpy()[0, 0], hidden, tuple(state))


def drawn(logits_Y: np.ndarray, temperature: float, rng: np.random.Generator) -> int:
    """A token by the model's chances to the power of 1 / temperature."""
    if temperature == 0:
        return int(logits_Y.argmax())
    weights = np.exp((logits_Y - logits_Y.max()).astype(np.float64) / temperature)
    return int(rng.choice(len(weights), p=weights / weights.sum()))


class _LastOfPiece(nn.Cell):
    """-> logits for what follows the last token of a piece (B, 1, Y), hidden (B, 1, D), *state."""

    def __init__(self, model: nn.Cell):
        super().__init__()
        self.model = model

    def construct(self, tokens, operand, recalled, is_token, is_end, kinds, edges, *state):
        logits, hidden, _, *state = self.model(tokens, operand, recalled, is_token, is_end, kinds, edges, *state)
        numbers_T = ops.arange(tokens.shape[1]).astype(mstype.float32)
        is_last_B1T = (numbers_T == is_token.sum(1, keepdims=True) - 1).astype(mstype.float32).expand_dims(1)
        return (ops.bmm(is_last_B1T, logits), ops.bmm(is_last_B1T, hidden), *state)


class _Verdict(nn.Cell):
    def __init__(self, model: nn.Cell):
        super().__init__()
        self.model = model

    def construct(self, hidden, logits, candidates):
        return self.model.verdict(hidden, logits, candidates)
