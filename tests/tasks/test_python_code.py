"""Files of source trees and their splits."""

from __future__ import annotations

import pytest

from sfm_ms.tasks.python_code import SPLITS, source_files


@pytest.fixture
def tree(tmp_path):
    for number in range(200):
        folder = tmp_path / f"package{number % 3}"
        folder.mkdir(exist_ok=True)
        (folder / f"module{number}.py").write_text(f"number = {number}  # ü\n", encoding="utf-8")
    (tmp_path / "copy.py").write_bytes((tmp_path / "package0" / "module0.py").read_bytes())
    (tmp_path / "latin.py").write_bytes("ü = 1\n".encode("latin-1"))
    (tmp_path / "notes.txt").write_text("number = 0\n")
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "other.py").write_text("other = 1\n")
    return tmp_path


def texts(*trees, **options):
    return {split: [file.text for file in source_files(trees, split=split, **options)] for split in SPLITS}


def test_every_text_is_in_one_split(tree):
    found = texts(tree, held_out=0.2)
    assert sorted(text for part in found.values() for text in part) == sorted(
        f"number = {number}  # ü\n" for number in range(200)
    )
    assert 20 <= len(found["valid"]) <= 60 and 20 <= len(found["test"]) <= 60


def test_splits_do_not_depend_on_where_a_file_lies(tree):
    parts = [texts(tree / f"package{number}", held_out=0.2) for number in range(3)]
    whole = texts(tree, held_out=0.2)
    for split in SPLITS:
        assert {text for part in parts for text in part[split]} == set(whole[split])
    assert texts(tree / "package1", tree / "package0", tree / "package2", held_out=0.2) == whole


def test_nothing_is_held_out_where_nothing_shall_be(tree):
    assert [len(part) for part in texts(tree, held_out=0).values()] == [200, 0, 0]
    assert not source_files([tree], split="train", held_out=0.5)


def test_the_standard_library_is_the_default():
    valid, test = (source_files(split=split) for split in ("valid", "test"))
    assert {str(file.path) for file in valid}.isdisjoint(str(file.path) for file in test)
    assert 30 < len(valid) < 200 and 30 < len(test) < 200
    assert [file.path for file in source_files(split="valid")] == [file.path for file in valid]


@pytest.mark.parametrize(
    ("trees", "options", "message"),
    [
        (["nowhere"], {}, "trees: there is no nowhere"),
        (["."], {}, r"trees: expected folders with files \*\.py, got \."),
        ([], {"split": "dev"}, "split: expected one of train, valid, test, got 'dev'"),
        ([], {"held_out": 0.7}, "held_out: expected a share between 0 and 0.5, got 0.7"),
    ],
)
def test_bad_input(trees, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        source_files(trees, **{"split": "train", **options})
