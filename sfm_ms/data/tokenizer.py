"""Byte-level byte-pair encoding: any text to tokens and back, trained on texts of one's own (the library `tokenizers`).

Sennrich, Haddow and Birch 2016, "Neural Machine Translation of Rare Words with Subword Units"; over bytes: Radford et al. 2019.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from sfm_ms.data.operands import Spelling, spelling

NUM_BYTES = 256
# Byte-level encodings spell tokens with a printable character for each byte: its own where it has one, else from 256 on.
PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
OTHERS = [byte for byte in range(NUM_BYTES) if byte not in PRINTABLE]
BYTE_OF_CHARACTER = {chr(byte): byte for byte in PRINTABLE} | {chr(NUM_BYTES + n): byte for n, byte in enumerate(OTHERS)}


class TextTokenizer:
    """Tokens are numbers from 0, the end of a text, which no text contains; the next 256 are bytes, the others pairs of tokens,
    the most frequent first."""

    end = 0

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary: int) -> TextTokenizer:
        """With at most `vocabulary` tokens: few texts have few pairs. ValueError: the bytes alone are more."""
        if vocabulary <= NUM_BYTES:
            raise ValueError(
                f"vocabulary: expected more than {NUM_BYTES} tokens, one a byte and one for the end, got {vocabulary}"
            )
        return cls(pairs_of_bytes(texts, vocabulary - 1))

    @classmethod
    def load(cls, path: str | Path) -> TextTokenizer:
        if not Path(path).is_file():
            raise ValueError(f"tokenizer: there is no file {path}")
        return cls(Tokenizer.from_file(str(path)))

    def save(self, path: str | Path) -> None:
        self.tokenizer.save(str(path))

    @property
    def vocabulary(self) -> int:
        return 1 + self.tokenizer.get_vocab_size()

    def bytes_of_tokens(self) -> list[bytes]:
        """What each token of the vocabulary stands for; the end for nothing."""
        found = [b""] * self.vocabulary
        for word, number in self.tokenizer.get_vocab().items():
            found[1 + number] = bytes(BYTE_OF_CHARACTER[character] for character in word)
        return found

    @functools.cached_property
    def spellings(self) -> list[tuple[Spelling, bool]]:
        """Of each token, as data/operands.py has it."""
        return [spelling(token) for token in self.bytes_of_tokens()]

    def encode(self, text: str) -> np.ndarray:
        """(T,) int32, without an end."""
        return self.encode_with_offsets(text)[0]

    def encode_with_offsets(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """As `encode`, and (T,) int32: the number of characters that are complete with each token."""
        encoding = self.tokenizer.encode(text)
        return 1 + np.array(encoding.ids, np.int32), np.array([end for _, end in encoding.offsets], np.int32)

    def decode(self, tokens: Iterable[int]) -> str:
        """The text; ends are left out."""
        return self.tokenizer.decode([int(token) - 1 for token in tokens if token != self.end])


def pairs_of_bytes(texts: Iterable[str], vocabulary: int, pieces: str | None = None) -> Tokenizer:
    """Byte-pair encoding with at most so many tokens, trained on the texts. Digits are in no pair.

    pieces: a regular expression; no pair reaches from one match to the next. None: GPT-2's, words with the space before them.
    """
    tokenizer = Tokenizer(models.BPE())
    # Digit by digit, a number is spelled the same wherever it stands.
    split = [pre_tokenizers.Digits(individual_digits=True)]
    split += [pre_tokenizers.Split(Regex(pieces), "isolated")] if pieces else []
    split += [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pieces is None)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
