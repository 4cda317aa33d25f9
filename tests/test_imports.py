"""The house's import table, read off the syntax trees."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# room -> rooms it may import (itself always)
MAY_IMPORT = {
    "cli": {"train", "evaluate", "generate", "convert", "data", "trace", "trace_page", "plots", "plan", "tasks", "recipe"},
    "evaluate": {"train", "models", "data", "tasks", "recipe", "plots"},
    "generate": {"data", "recipe"},
    "convert": {"models", "data"},
    "plan": {"train", "models", "nn", "data", "recipe"},
    "trace": {"train", "data", "tasks", "recipe"},
    "plots": set(),
    "trace_page": set(),
    "train": {"models", "data", "tasks", "convert", "nn", "recipe"},
    "mindformers_trainer": {"train", "data", "recipe"},
    "data": {"tasks", "recipe"},
    "models": {"systems", "nn", "ops", "recipe"},
    "systems": {"nn", "ops", "recipe"},
    "nn": {"ops", "recipe"},
    "recipe": set(),
    "tasks": set(),
    "ops": set(),
    "__main__": {"cli"},
    "__init__": set(),
}
WITHOUT_MINDSPORE = {"cli", "recipe", "tasks", "data", "plots", "trace_page"}
OPS_MAY_IMPORT = {"mindspore", "numpy", *sys.stdlib_module_names}


def modules() -> list[Path]:
    return sorted([*(ROOT / "sfm_ms").rglob("*.py"), *(ROOT / "ops").rglob("*.py")])


def room_of(path: Path) -> str:
    inside = path.relative_to(ROOT).parts
    return "ops" if inside[0] == "ops" else inside[1].removesuffix(".py")


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_table(path):
    room = room_of(path)
    assert room in MAY_IMPORT, f"{path}: the table has no room '{room}'"
    names = imported(path)
    ours = {name.split(".")[1] for name in names if name.startswith("sfm_ms.")}
    assert ours <= MAY_IMPORT[room] | {room}
    outside = {name.split(".")[0] for name in names} - {"sfm_ms"}
    if room in WITHOUT_MINDSPORE:
        assert "mindspore" not in outside
    if room != "mindformers_trainer":
        assert "mindformers" not in outside  # optional: only train/mindformers_package.py imports it, late
    if room == "ops" and path.name != "__init__.py":
        assert outside <= OPS_MAY_IMPORT


def test_no_system_imports_another():
    for path in (ROOT / "sfm_ms" / "systems").glob("*.py"):
        if path.name not in ("bridge.py", "__init__.py"):
            assert not any(name.startswith("sfm_ms.systems.") for name in imported(path)), path
