"""The interpreter against CPython, which runs many programs in one other process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cpython_trace

from sfm_ms.tasks.interpreter import Execution, execute


def differences(sources: list[str]) -> list[str]:
    """Programs of which the variables, trace, error or output differ, each with what does."""
    script = Path(cpython_trace.__file__)
    done = subprocess.run(
        [sys.executable, "-I", script], input=json.dumps(sources), capture_output=True, text=True, check=True, timeout=600
    )
    found = []
    for source, theirs in zip(sources, json.loads(done.stdout), strict=True):
        ours = as_texts(execute(source))
        keys = [key for key in theirs if ours[key] != theirs[key]]
        if keys:
            found.append(source + "".join(f"\n  {key}: {ours[key]}\n  CPython: {theirs[key]}" for key in keys))
    return found


def as_texts(run: Execution) -> dict:
    """As cpython_trace.run says it."""
    return {
        "variables": cpython_trace.texts(run.variables),
        "trace": [[line, cpython_trace.texts(variables)] for line, variables in run.trace],
        "error": run.error and run.error.rpartition(" (line")[0],
        "output": run.output,
    }
