"""MindFormers, an optional dependency: imported where a recipe asks for it, never before.

Its import makes a folder for its log, in the working directory where the environment names none. Here that is a temporary one
instead, and of what it says only errors are heard.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import logging
import os
import shutil
import tempfile
from types import ModuleType

from sfm_ms.recipe import RecipeError
from sfm_ms.recipe.schema import Optimizer

MISSING = "needs MindFormers, which is not installed: pip install 'sfm-ms[mindformers]'"
LOG = "LOG_MF_PATH"  # the variable that it reads its log's folder from


def is_installed() -> bool:
    return importlib.util.find_spec("mindformers") is not None


def refuse_absent(optimizer: Optimizer) -> None:
    """RecipeError names the fields that ask for MindFormers where it is not installed."""
    asking = [name for name in ("adamw", "schedule") if getattr(optimizer, name).startswith("mindformers")]
    if asking and not is_installed():
        raise RecipeError("\n".join(f"optimizer.{name}: {getattr(optimizer, name)} {MISSING}" for name in asking))


def part(name: str) -> ModuleType:
    """Its module of that name, such as `core.optim`. Whoever asks has made sure that it is installed."""
    if LOG not in os.environ:
        os.environ[LOG] = tempfile.mkdtemp(prefix="mindformers_log_")
        atexit.register(shutil.rmtree, os.environ[LOG], ignore_errors=True)
        logging.getLogger(f"mindformers{os.environ[LOG]}").addFilter(lambda record: record.levelno >= logging.ERROR)
    return importlib.import_module(f"mindformers.{name}")
