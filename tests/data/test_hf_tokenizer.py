"""A checkpoint's encoding with the markers as tokens, and tables that have rows for them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from sfm_ms.data.hf_tokenizer import END, NOISE, HfTokenizer, with_rows_for
from sfm_ms.tasks.special_tokens import NAMES

TEXTS = ["def f(x):\n    return x + 1\n", "for i in range(10):\n    print(f(i), 'ü')\n"] * 3
STARTS = "<|im_start|>"


def checkpoint_tokenizer():
    """In the form of Qwen2.5's: pairs of bytes, and special tokens after them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (END, STARTS)])
    return tokenizer


PLAIN = checkpoint_tokenizer()
TOKENIZER = HfTokenizer(checkpoint_tokenizer())


OWN = HfTokenizer.train([f"<|code|>\n{text}<|answer|>\n12\n" for text in TEXTS], 300)


@pytest.fixture
def folder(tmp_path):
    PLAIN.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_the_markers_are_the_tokens_after_the_checkpoints_own():
    assert len(NAMES) == len(set(NAMES)) == 18
    assert TOKENIZER.num_known == PLAIN.get_vocab_size() and TOKENIZER.num_tokens == TOKENIZER.num_known + 18
    assert [TOKENIZER.marker(name) for name in NAMES] == [*range(TOKENIZER.num_known, TOKENIZER.num_tokens)]
    for name in NAMES:
        assert TOKENIZER.encode(f"<|{name}|>", has_markers=True).tolist() == [TOKENIZER.marker(name)]
    with pytest.raises(ValueError, match=r"marker: expected one of code, trace, .*, got 'kode'"):
        TOKENIZER.marker("kode")


@given(st.text())
def test_any_text_is_encoded_as_by_the_checkpoint_and_comes_back(text):
    tokens = TOKENIZER.encode(text)
    assert tokens.dtype == np.int32 and TOKENIZER.decode(tokens) == text
    assert tokens.tolist() == PLAIN.encode(text).ids


def test_no_program_can_write_a_marker():
    text = f"print('<|answer|>')  # {END}"
    tokens = TOKENIZER.encode(text)
    assert TOKENIZER.decode(tokens) == text and tokens.max() < TOKENIZER.number(END)
    marked = TOKENIZER.encode(text, has_markers=True)
    assert TOKENIZER.marker("answer") in marked and TOKENIZER.end in marked and len(marked) < len(tokens)
    assert TOKENIZER.decode(marked) == text and TOKENIZER.decode(marked, has_markers=False) == "print('')  # "
    assert np.array_equal(TOKENIZER.encode(text), tokens)  # the one before left nothing behind


def test_loading_and_saving(folder):
    loaded = HfTokenizer.load(folder)
    assert loaded.end == loaded.number(END) and loaded.tokenizer.to_str() == TOKENIZER.tokenizer.to_str()
    loaded.save(folder)
    again = HfTokenizer.load(folder)
    assert again.num_known == again.num_tokens == TOKENIZER.num_tokens  # nothing is new to it
    assert again.marker("verify") == TOKENIZER.marker("verify")


@given(st.text())
def test_any_text_comes_back_from_an_own_tokenizer(text):
    tokens = OWN.encode(text)
    assert OWN.decode(tokens) == text and (tokens < OWN.num_tokens).all()


def test_an_own_tokenizer_has_digits_markers_and_an_end(tmp_path):
    assert OWN.num_known == OWN.num_tokens <= 300 and OWN.encode(END, has_markers=True).tolist() == [OWN.end]
    assert len(OWN.encode("<|code|>1234<|judge_wrong|>", has_markers=True)) == 6
    assert not any(set(word) & set("0123456789|") for word in OWN.tokenizer.get_vocab(with_added_tokens=False) if len(word) > 1)
    assert len(OWN.encode(TEXTS[0])) < 0.8 * len(TEXTS[0])
    OWN.save(tmp_path)
    loaded = HfTokenizer.load(tmp_path)
    assert loaded.tokenizer.to_str() == OWN.tokenizer.to_str() and (loaded.num_known, loaded.end) == (OWN.num_known, OWN.end)


def test_an_own_tokenizer_without_room_for_bytes_and_markers_is_refused():
    assert HfTokenizer.train(TEXTS, 275).num_tokens == 275
    with pytest.raises(ValueError, match="vocabulary: expected at least 275 tokens, one a byte and 19 special ones, got 274"):
        HfTokenizer.train(TEXTS, 274)


@pytest.mark.parametrize("end", [STARTS, {"content": STARTS, "special": True}])
def test_the_end_is_that_of_the_checkpoint(folder, end):
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": end}))
    assert HfTokenizer.load(folder).end == PLAIN.token_to_id(STARTS)


def test_what_is_no_tokenizer_is_refused(folder):
    with pytest.raises(ValueError, match=r"tokenizer: there is no file .*nowhere"):
        HfTokenizer.load(folder / "nowhere")
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<|other|>"}')
    with pytest.raises(ValueError, match=r"tokenizer: it has no token <\|other\|>"):
        HfTokenizer.load(folder)
    (folder / "tokenizer.json").write_text('{"version": ')
    with pytest.raises(ValueError, match=r"tokenizer\.json: no tokenizer"):
        HfTokenizer.load(folder)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("num_rows", "expected"), [(40, 64), (57, 64), (64, 64), (70, 80), (96, 96)])
def test_rows_for_new_tokens(num_rows, expected, dtype):
    """40 known tokens and 18 new ones; the table has none, some or all of the rows that they need."""
    table = (np.random.default_rng(0).normal(size=(num_rows, 200)) * 3 + 1).astype(dtype)
    result = with_rows_for(table, 40, 58, seed=1)
    assert result.shape == (expected, 200) and result.dtype == dtype
    assert np.array_equal(result[:40], table[:40]) and np.array_equal(result[58:num_rows], table[58:])
    new = np.concatenate([result[40:58], result[max(58, num_rows) :]]).astype(np.float64)
    offsets = new - table[:40].astype(np.float64).mean(0)
    assert np.abs(offsets.std() - NOISE * 3) < 0.02 and np.abs(offsets.mean()) < 0.02
    assert len({row.tobytes() for row in new}) == len(new)
    assert np.array_equal(with_rows_for(table, 40, 58, seed=1), result)
    assert not np.array_equal(with_rows_for(table, 40, 58, seed=2), result)


def test_a_table_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="num_known: expected 1 to 8 tokens, which the table has rows for, got 9"):
        with_rows_for(np.zeros((8, 2), np.float32), 9, 20, seed=0)
