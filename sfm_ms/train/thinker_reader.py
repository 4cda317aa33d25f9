"""What a trained Thinker makes of prompts and samples: it goes on with them, the most likely token each time, and judges them.

Prompts that are read together end at the same place: shorter ones follow padding, a segment of its own that nothing looks at.

Shapes: B rows, T tokens, Y tokens in the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from mindspore import Tensor, nn
from mindspore import dtype as mstype

from sfm_ms.data.hf_tokenizer import HfTokenizer
from sfm_ms.data.thinker_batches import Encoded, packed
from sfm_ms.models.qwen2 import TYPES
from sfm_ms.models.thinker import Thinker
from sfm_ms.nn.chunked_cross_entropy import ChunkedCrossEntropy
from sfm_ms.recipe.schema import Recipe

PADDING, TEXT = 0, 1  # segments
STRIDE = 64  # prompts are read in graphs of a multiple of so many tokens


class ThinkerReader:
    """Reads up to `evaluation.batch_size` texts together, each of at most `task.window_tokens` tokens with what is told of it."""

    def __init__(self, model: Thinker, tokenizer: HfTokenizer, recipe: Recipe):
        self.model, self.tokenizer = model, tokenizer
        self.window, self.batch_size = recipe.task.window_tokens, recipe.evaluation.batch_size
        self.next_tokens, self.verdict = _NextTokens(model), _Verdict(model, recipe)
        self.ends = [tokenizer.marker("judge_correct"), tokenizer.marker("judge_wrong"), tokenizer.end]

    def told(self, prompts: Sequence[np.ndarray]) -> list[str]:
        """Each prompt, as tokens, and what the model tells after it, up to and with its judgement.

        It stops where the window is full. A prompt that fills the window by itself is given back as it is.
        """
        texts: list[str] = []
        longest = min(self.window, max(map(len, prompts), default=0))
        num_tokens = -(-longest // STRIDE) * STRIDE  # of all alike, for one graph
        for start in range(0, len(prompts), self.batch_size):
            some = list(prompts[start : start + self.batch_size])
            columns = list(self._columns(some + [some[-1]] * (self.batch_size - len(some)), num_tokens))
            for row, prompt in enumerate(some):
                tokens = [int(column[row]) for column in columns][: max(0, self.window - len(prompt))]
                end = next((i + 1 for i, token in enumerate(tokens) if token in self.ends), len(tokens))
                texts.append(self.tokenizer.decode([*prompt, *tokens[:end]]))
        return texts

    def _columns(self, prompts: list[np.ndarray], num_tokens: int) -> Iterator[np.ndarray]:
        """The next token of each row, (B,), again and again, until all have ended or no window has room."""
        tokens_BT = np.zeros((len(prompts), num_tokens), np.int32)
        segments_BT = np.full_like(tokens_BT, PADDING)
        for row, prompt in enumerate(prompts):
            kept = prompt[-num_tokens:]
            tokens_BT[row, num_tokens - len(kept) :], segments_BT[row, num_tokens - len(kept) :] = kept, TEXT
        state = self.model.begin(len(prompts), num_tokens + self.window)
        has_ended = np.zeros(len(prompts), bool)
        one_B1 = Tensor(np.full((len(prompts), 1), TEXT, np.int32))
        next_B, *state = self.next_tokens(Tensor(tokens_BT), Tensor(segments_BT), *state)
        for _ in range(self.window - min(map(len, prompts))):
            found_B = next_B.asnumpy()
            yield found_B
            has_ended |= np.isin(found_B, self.ends)
            if has_ended.all():
                return
            next_B, *state = self.next_tokens(Tensor(found_B[:, None]), one_B1, *state)

    def verdicts(self, samples: Sequence[Encoded]) -> np.ndarray:
        """Logit of the chance that what is told is right, of each sample; its judgement is not looked at."""
        found: list[float] = []
        for start in range(0, len(samples), self.batch_size):
            rows = [[sample] for sample in samples[start : start + self.batch_size]]
            rows += [rows[-1]] * (self.batch_size - len(rows))
            batch = packed(rows, self.window, 1)
            inputs = (batch.tokens_BT, batch.segments_BT, batch.targets_BT, batch.expected_BP, batch.judged_BP)
            found += self.verdict(*map(Tensor, inputs)).asnumpy()[:, 0].tolist()
        return np.array(found[: len(samples)])


class _NextTokens(nn.Cell):
    """(tokens (B, T), segments, *state) -> the most likely token after the last one (B,) int32, *state."""

    def __init__(self, model: Thinker):
        super().__init__(auto_prefix=False)  # parameters keep their names
        self.model = model

    def construct(self, tokens, segments, *state):
        x_BTD, state = self.model.hidden(tokens, segments, state)
        logits_B1Y = self.model.logits(x_BTD[:, -1:])
        return (logits_B1Y.argmax(-1).astype(mstype.int32).squeeze(1), *state)


class _Verdict(nn.Cell):
    """(tokens, segments, targets (B, T), first and last place of what is judged (B, 1)) -> the judge's logit (B, 1)."""

    def __init__(self, model: Thinker, recipe: Recipe):
        super().__init__(auto_prefix=False)  # parameters keep their names
        self.model, self.head_YD = model, model.base.head()
        self.cross_entropy = ChunkedCrossEntropy(dtype=TYPES[recipe.model.dtype], head_learns=False)

    def construct(self, tokens, segments, targets, firsts, lasts):
        x_BTD, _ = self.model.hidden(tokens, segments)
        nll_N = self.cross_entropy.of_tokens(x_BTD.reshape(-1, x_BTD.shape[2]), self.head_YD, targets.reshape(-1))
        return self.model.judge(x_BTD, nll_N.reshape(tokens.shape), firsts, lasts)
