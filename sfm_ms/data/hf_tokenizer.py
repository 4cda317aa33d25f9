"""A HuggingFace checkpoint's own encoding, from its `tokenizer.json`, or one trained here in its form, and the special tokens of
samples as markers in it.

Shapes: Y rows of a table, one a token and some to spare, D width.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Tokenizer

from sfm_ms.data.tokenizer import NUM_BYTES, pairs_of_bytes
from sfm_ms.tasks.special_tokens import SPECIAL_TOKENS, marker

END = "<|endoftext|>"
ROWS = 16  # tables have a multiple of so many, the width of the Cube unit
PIECES = r"[A-Za-z_]+|[^A-Za-z_0-9]+"  # a name is spelled the same wherever it stands, as GPT-2's " name" and "name" are not
NOISE = 0.1  # of new rows, as a share of the old rows' standard deviation


class HfTokenizer:
    """`num_known` tokens are the checkpoint's; the markers it did not have are numbered from there on.

    `end` is the token that ends a text: what `tokenizer_config.json` calls eos_token, else `<|endoftext|>`.
    """

    def __init__(self, tokenizer: Tokenizer, end: str = END):
        self.tokenizer = tokenizer
        self.num_known = _num_tokens(tokenizer)
        tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
        self.end = self.number(end)

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary: int) -> HfTokenizer:
        """Trained on texts, whose markers are in no pair of tokens.

        vocabulary: how many tokens there may be, bytes, END and markers among them; few texts have fewer. ValueError: too few.
        """
        special = (END, *SPECIAL_TOKENS)
        if vocabulary < NUM_BYTES + len(special):
            needed = f"{NUM_BYTES + len(special)} tokens, one a byte and {len(special)} special ones"
            raise ValueError(f"vocabulary: expected at least {needed}, got {vocabulary}")
        between = re.compile("|".join(map(re.escape, special)))
        texts = (piece for text in texts for piece in between.split(text))
        tokenizer = pairs_of_bytes(texts, vocabulary - len(special), PIECES)
        tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
        return cls(tokenizer)

    @classmethod
    def load(cls, folder: str | Path) -> HfTokenizer:
        """Of the checkpoint in the folder; ValueError where it has none, or one that cannot be read."""
        file, options = Path(folder) / "tokenizer.json", Path(folder) / "tokenizer_config.json"
        if not file.is_file():
            raise ValueError(f"tokenizer: there is no file {file}")
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises no narrower one
            raise ValueError(f"{file}: no tokenizer ({error})") from error
        end = json.loads(options.read_text(encoding="utf-8")).get("eos_token") if options.is_file() else None
        return cls(tokenizer, (end["content"] if isinstance(end, dict) else end) or END)

    def save(self, folder: str | Path) -> None:
        """`tokenizer.json` with the markers in it, and `tokenizer_config.json` with the name of the end."""
        self.tokenizer.save(str(Path(folder) / "tokenizer.json"))
        options = json.dumps({"eos_token": self.tokenizer.id_to_token(self.end)}, indent=1)
        (Path(folder) / "tokenizer_config.json").write_text(options + "\n", encoding="utf-8")

    @property
    def num_tokens(self) -> int:
        return _num_tokens(self.tokenizer)

    def marker(self, name: str) -> int:
        """The number of the special token `<|name|>`; ValueError where there is no such one."""
        return self.number(marker(name))

    def number(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"tokenizer: it has no token {token}")
        return found

    def encode(self, text: str, has_markers: bool = False) -> np.ndarray:
        """(T,) int32. `has_markers`: what is spelled like a marker, or another special token, is one.

        Otherwise it is text like any other, so that no program can write a marker.
        """
        self.tokenizer.encode_special_tokens = not has_markers
        return np.array(self.tokenizer.encode(text, add_special_tokens=False).ids, np.int32)

    def decode(self, tokens: Iterable[int], has_markers: bool = True) -> str:
        """The text, with or without markers and other special tokens."""
        return self.tokenizer.decode([int(token) for token in tokens], skip_special_tokens=not has_markers)


def with_rows_for(table_YD: np.ndarray, num_known: int, num_tokens: int, seed: int) -> np.ndarray:
    """The table for `num_tokens` tokens, of which it knows the first `num_known`; at least as long, and a multiple of ROWS.

    Rows of the other tokens, and rows added to spare, are the mean of the known rows and a little noise. Checkpoints often
    have rows to spare: those of tokens that are new now are replaced too, as nothing has taught them.
    ValueError where the tokenizer knows more tokens than the table.
    """
    if not 0 < num_known <= len(table_YD):
        raise ValueError(f"num_known: expected 1 to {len(table_YD)} tokens, which the table has rows for, got {num_known}")
    known_YD = table_YD[:num_known]
    num_rows = -(-max(len(table_YD), num_tokens) // ROWS) * ROWS
    result_YD = np.empty((num_rows, table_YD.shape[1]), table_YD.dtype)
    result_YD[: len(table_YD)] = table_YD
    is_new = np.arange(num_rows) >= len(table_YD)
    is_new[num_known:num_tokens] = True
    noise = np.random.default_rng(seed).standard_normal((int(is_new.sum()), table_YD.shape[1]))
    result_YD[is_new] = known_YD.mean(0, np.float64) + NOISE * known_YD.astype(np.float32, copy=False).std(0) * noise
    return result_YD


def _num_tokens(tokenizer: Tokenizer) -> int:
    """One more than the largest number: some numbers may be unused."""
    return 1 + max(tokenizer.get_vocab(with_added_tokens=True).values())
