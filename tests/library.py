"""The files of Python's standard library, for tests that go over real code."""

from __future__ import annotations

import sysconfig
from pathlib import Path

LIBRARY = sorted(path for path in Path(sysconfig.get_paths()["stdlib"]).rglob("*.py") if "site-packages" not in path.parts)


def sources(paths):
    for path in paths:
        try:
            yield path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # tests of the parser
            continue
