"""Checkpoints that are either whole or not there: written aside, synced, hashed, renamed; verified when read.

checkpoints/step_<n>/{model.safetensors, optimizer.safetensors, state.json, manifest.json}
checkpoints/last, checkpoints/best        links to one of these
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file


class CheckpointError(ValueError):
    """A checkpoint is damaged or does not fit the model; the message says which file or parameter."""


class Checkpoint(NamedTuple):
    model: dict[str, np.ndarray]
    optimizer: dict[str, np.ndarray]
    state: dict


def save(folder: Path, step: int, checkpoint: Checkpoint, keep: int) -> None:
    """Write step_<step>, point `last` at it and remove all but the newest `keep` and the best."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".unfinished_step_{step}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    save_file(checkpoint.model, unfinished / "model.safetensors")
    save_file(checkpoint.optimizer, unfinished / "optimizer.safetensors")
    (unfinished / "state.json").write_text(json.dumps(checkpoint.state, indent=1), encoding="utf-8")
    manifest = {path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for path in sorted(unfinished.iterdir())}
    (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for path in [*unfinished.iterdir(), unfinished]:
        _sync(path)
    _set_aside(folder / f"step_{step}")
    unfinished.rename(folder / f"step_{step}")
    point(folder, "last", step)
    for old in _steps(folder)[keep:]:
        if old != linked_step(folder, "best"):
            shutil.rmtree(folder / f"step_{old}")


def point(folder: Path, link: str, step: int) -> None:
    """Make `last` or `best` name that step, at no moment naming nothing."""
    new = folder / f".new_{link}"
    new.unlink(missing_ok=True)
    new.symlink_to(f"step_{step}")
    new.replace(folder / link)
    _sync(folder)


def linked_step(folder: Path, link: str) -> int | None:
    """The step that `last` or `best` names."""
    target = folder / link
    return int(target.readlink().name.removeprefix("step_")) if target.is_symlink() else None


def load_newest(folder: Path, preferred: str = "last") -> tuple[Checkpoint, list[str]] | None:
    """The preferred checkpoint or else the newest whole one, and a warning for each damaged one passed over.

    None where there is no checkpoint. Raises CheckpointError where none is whole.
    """
    steps = _steps(folder)
    first = linked_step(folder, preferred)
    warnings = []
    for step in sorted(steps, key=lambda step: step != first):
        try:
            return load(folder / f"step_{step}"), warnings
        except CheckpointError as error:
            warnings.append(str(error))
    if warnings:
        raise CheckpointError("\n".join([f"no whole checkpoint in {folder}", *(f"  {warning}" for warning in warnings)]))
    return None


def load(path: Path) -> Checkpoint:
    """Read one checkpoint folder; raises CheckpointError unless every file is as the manifest says."""
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path / 'manifest.json'}: missing or damaged ({error})") from error
    for name in ("model.safetensors", "optimizer.safetensors", "state.json"):
        file, entry = path / name, manifest.get(name)
        if not file.is_file() or entry is None:
            raise CheckpointError(f"{file}: missing")
        if file.stat().st_size != entry["bytes"]:
            raise CheckpointError(f"{file}: {file.stat().st_size} bytes, expected {entry['bytes']}")
        if _sha256(file) != entry["sha256"]:
            raise CheckpointError(f"{file}: SHA-256 is not that of the manifest")
    state = json.loads((path / "state.json").read_text(encoding="utf-8"))
    return Checkpoint(load_file(path / "model.safetensors"), load_file(path / "optimizer.safetensors"), state)


def restore(parameters: Mapping, values: Mapping[str, np.ndarray]) -> None:
    """Put the values into the parameters of the same names; raises CheckpointError where names or shapes differ."""
    from mindspore import Tensor

    problems = [f"missing {name}" for name in sorted(parameters.keys() - values.keys())]
    problems += [f"unexpected {name}" for name in sorted(values.keys() - parameters.keys())]
    problems += [
        f"{name} has shape {values[name].shape}, expected {tuple(parameters[name].shape)}"
        for name in sorted(parameters.keys() & values.keys())
        if values[name].shape != tuple(parameters[name].shape)
    ]
    if problems:
        raise CheckpointError("the checkpoint does not fit the model: " + "; ".join(problems))
    for name, parameter in parameters.items():
        parameter.set_data(Tensor(values[name]))


def arrays(parameters: Mapping) -> dict[str, np.ndarray]:
    """Copies of the parameters' values, by name."""
    return {name: np.array(parameter.asnumpy()) for name, parameter in parameters.items()}


def _steps(folder: Path) -> list[int]:
    """Steps that have a folder, newest first."""
    found = [re.fullmatch(r"step_(\d+)", path.name) for path in folder.iterdir()] if folder.is_dir() else []
    return sorted((int(match[1]) for match in found if match), reverse=True)


def _set_aside(path: Path) -> None:
    """Keep what stands in the way, a damaged checkpoint of the same step, under another name."""
    if path.exists():
        number = 1
        while (aside := path.with_name(f"{path.name}.damaged_{number}")).exists():
            number += 1
        path.rename(aside)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
