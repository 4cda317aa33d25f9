"""Real Python code to model: the files of source trees, split by what they contain.

A file belongs to a split by the hash of its text, so that the splits of any collection of files agree and a copy of a file is
never in two of them. By default the code is the running interpreter's own standard library, which is always there.
"""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SPLITS = ("train", "valid", "test")


class SourceFile(NamedTuple):
    path: Path  # relative to the tree that it was found in
    text: str


def standard_library() -> Path:
    return Path(sysconfig.get_paths()["stdlib"])


def source_files(trees: Iterable[str | Path] = (), *, split: str, held_out: float = 0.05) -> list[SourceFile]:
    """The files `*.py` of the trees that are in `split`, each text once, in an order that only depends on the texts.

    trees: folders, or single files; none means the standard library. What is installed into a library's `site-packages` is left
    out, and so is what is not UTF-8. held_out: share of the texts, between 0 and 0.5, that is in `valid`, and as much in `test`.
    ValueError: there is no such path or split, or no code.
    """
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    if not 0 <= held_out <= 0.5:
        raise ValueError(f"held_out: expected a share between 0 and 0.5, got {held_out}")
    found = {hashed(file.text): file for tree in (trees or [standard_library()]) for file in files_of(Path(tree))}
    if not found:
        raise ValueError(f"trees: expected folders with files *.py, got {', '.join(map(str, trees))}")
    return [found[key] for key in sorted(found) if split_of(key, held_out) == split]


def files_of(tree: Path) -> Iterable[SourceFile]:
    if not tree.exists():
        raise ValueError(f"trees: there is no {tree}")
    paths = [tree] if tree.is_file() else sorted(tree.rglob("*.py"))
    for path in paths:
        relative = path.relative_to(tree.parent if tree.is_file() else tree)
        if "site-packages" in relative.parts:
            continue
        try:
            yield SourceFile(relative, path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            continue


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def split_of(text_hash: str, held_out: float) -> str:
    share = int(text_hash[:12], 16) / 16**12
    return "test" if share < held_out else "valid" if share < 2 * held_out else "train"
