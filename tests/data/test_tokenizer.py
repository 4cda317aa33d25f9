"""Byte-level byte-pair encoding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfm_ms.data.tokenizer import NUM_BYTES, TextTokenizer

TEXTS = ["def f(x):\n    return x + 1\n", "def g(y):\n    return f(y) * 2\n", "for i in range(10):\n    print(f(i), 'ü')\n"] * 3
TOKENIZER = TextTokenizer.train(TEXTS, 300)


@given(st.text())
def test_any_text_comes_back(text):
    tokens = TOKENIZER.encode(text)
    assert TOKENIZER.decode(tokens) == text
    assert tokens.dtype == np.int32 and ((tokens > TOKENIZER.end) & (tokens < TOKENIZER.vocabulary)).all()


def test_frequent_pairs_are_tokens():
    assert NUM_BYTES + 10 < TOKENIZER.vocabulary <= 300
    assert len(TOKENIZER.encode(TEXTS[0])) < 0.6 * len(TEXTS[0])
    assert len(TextTokenizer.train(TEXTS, NUM_BYTES + 1).encode(TEXTS[0])) == len(TEXTS[0].encode())


def test_training_is_the_same_again():
    assert TextTokenizer.train(TEXTS, 300).tokenizer.to_str() == TOKENIZER.tokenizer.to_str()


def test_a_token_completes_characters():
    tokens, ends = TOKENIZER.encode_with_offsets("x = 'ü' + 1")
    assert np.array_equal(tokens, TOKENIZER.encode("x = 'ü' + 1"))
    assert ends[-1] == len("x = 'ü' + 1") and (np.diff(ends) >= 0).all()


def test_no_text_contains_the_end():
    tokens = TOKENIZER.encode("a")
    assert TOKENIZER.decode([*tokens, TOKENIZER.end, *tokens]) == "aa"
    assert TOKENIZER.end not in TOKENIZER.encode("<end></s>\0")


def test_saving_and_loading(tmp_path):
    TOKENIZER.save(tmp_path / "tokenizer.json")
    assert TextTokenizer.load(tmp_path / "tokenizer.json").tokenizer.to_str() == TOKENIZER.tokenizer.to_str()
    with pytest.raises(ValueError, match=r"tokenizer: there is no file .*other\.json"):
        TextTokenizer.load(tmp_path / "other.json")


def test_a_vocabulary_without_room_for_bytes_is_refused():
    with pytest.raises(ValueError, match="vocabulary: expected more than 256 tokens, one a byte and one for the end, got 256"):
        TextTokenizer.train(TEXTS, NUM_BYTES)
