"""Safetensors files, read and written some rows at a time, so that no second copy of a model is ever in memory.

NumPy has no bfloat16: such numbers are held as their 16 bits, the upper half of a float32's. A folder has one file,
`model.safetensors`, or several and `model.safetensors.index.json`, which says what is in which.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
NUMPY_TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
BLOCK_BYTES = 1 << 24


class TensorFileError(ValueError):
    """A file is damaged, or holds what cannot be read; the message says which file and tensor."""


class StoredTensor(NamedTuple):
    """Numbers of a type of NUMPY_TYPES in a file, from byte `start` on."""

    file: Path
    type: str
    shape: tuple[int, ...]
    start: int

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """(first row, some rows), as stored; the numbers of a tensor with one axis are its rows."""
        row_shape, type = self.shape[1:], NUMPY_TYPES[self.type]
        row_size = math.prod(row_shape)
        num_rows, most = self.shape[0], max(1, BLOCK_BYTES // (row_size * type.itemsize))
        with self.file.open("rb") as file:
            file.seek(self.start)
            for first in range(0, num_rows, most):
                rows = min(most, num_rows - first)
                yield first, np.fromfile(file, type, rows * row_size).reshape(rows, *row_shape)

    def read(self) -> np.ndarray:
        numbers = np.empty(self.shape, NUMPY_TYPES[self.type])
        for first, rows in self.blocks():
            numbers[first : first + len(rows)] = rows
        return numbers


class Values(NamedTuple):
    """Numbers to be written: `read` gives them all, and is called when their turn comes."""

    type: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """All tensors in the files of the folder, by name. TensorFileError where the index and the files do not agree."""
    if (folder / FILE).is_file():
        return _in_file(folder / FILE)
    if not (folder / INDEX).is_file():
        raise TensorFileError(f"{folder}: expected {FILE} or {INDEX} there")
    files = _json(folder / INDEX, (folder / INDEX).read_bytes()).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(file, str) and Path(file).name == file for file in files.values()):
        raise TensorFileError(f"{folder / INDEX}: expected weight_map, the name of a file for each tensor")
    found = {}
    for file in sorted(set(files.values())):
        if not (folder / file).is_file():
            raise TensorFileError(f"{folder / file}: missing, although {INDEX} names it")
        tensors = _in_file(folder / file)
        if wrong := sorted(name for name in tensors if files.get(name) != file):
            raise TensorFileError(f"{folder / file}: holds {listed(wrong)}, which {INDEX} does not say")
        found |= tensors
    if missing := sorted(files.keys() - found.keys()):
        raise TensorFileError(f"{folder}: no file holds {listed(missing)}, although {INDEX} names a file")
    return found


def _in_file(path: Path) -> dict[str, StoredTensor]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0] if size >= 8 else size
        if length > size - 8:
            raise TensorFileError(f"{path}: {size} bytes, which is less than its header")
        header = _json(path, file.read(length))
    header.pop("__metadata__", None)
    return {name: _checked(path, name, entry, 8 + length, size) for name, entry in header.items()}


def _checked(path: Path, name: str, entry, data: int, size: int) -> StoredTensor:
    try:
        type, shape, (start, end) = entry["dtype"], tuple(map(int, entry["shape"])), map(int, entry["data_offsets"])
    except (KeyError, TypeError, ValueError) as error:
        raise TensorFileError(f"{path}: the header's entry of {name} is damaged") from error
    if type not in NUMPY_TYPES:
        raise TensorFileError(f"{path}: {name} is {type}, expected {', '.join(NUMPY_TYPES)}")
    num_bytes = math.prod(shape) * NUMPY_TYPES[type].itemsize
    if not shape or num_bytes == 0 or start < 0 or end - start != num_bytes or data + end > size:
        raise TensorFileError(f"{path}: {name} of shape {shape} is not at bytes {start} to {end}; the file is damaged")
    return StoredTensor(path, type, shape, data + start)


def _json(path: Path, text: bytes) -> dict:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise TensorFileError(f"{path}: its JSON is damaged ({error})") from error
    if not isinstance(found, dict):
        raise TensorFileError(f"{path}: its JSON is not a mapping")
    return found


def write(folder: Path, tensors: Mapping[str, Values], type: str | None, file_bytes: int | None, form: str) -> None:
    """Into the folder, which exists. All numbers become `type`, or keep theirs where it is None.

    At most `file_bytes` of numbers go in a file, or one tensor; None: all in one. `form` is the files' metadata of that name.
    """
    types = {name: type or values.type for name, values in tensors.items()}
    sizes = {name: math.prod(values.shape) * NUMPY_TYPES[types[name]].itemsize for name, values in tensors.items()}
    groups = _groups(sizes, file_bytes)
    files = [FILE] if len(groups) == 1 else [f"model-{n + 1:05}-of-{len(groups):05}.safetensors" for n in range(len(groups))]
    for file, group in zip(files, groups, strict=True):
        _write_file(folder / file, {name: tensors[name] for name in group}, types, sizes, form)
    if len(groups) > 1:
        places = {name: file for file, group in zip(files, groups, strict=True) for name in group}
        index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": dict(sorted(places.items()))}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _groups(sizes: Mapping[str, int], file_bytes: int | None) -> list[list[str]]:
    groups, filled = [[]], 0
    for name, size in sizes.items():
        if groups[-1] and file_bytes is not None and filled + size > file_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(name)
        filled += size
    return groups


def _write_file(path: Path, tensors: Mapping[str, Values], types: Mapping, sizes: Mapping, form: str) -> None:
    header, start = {"__metadata__": {"format": form}}, 0
    for name, values in tensors.items():
        offsets = [start, start + sizes[name]]
        header[name] = {"dtype": types[name], "shape": list(values.shape), "data_offsets": offsets}
        start = offsets[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # numbers begin at a multiple of 8
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, values in tensors.items():
            numbers = values.read()
            rows = max(1, BLOCK_BYTES // (numbers[0].size * numbers.itemsize))
            for first in range(0, len(numbers), rows):
                try:
                    block = converted(numbers[first : first + rows], values.type, types[name])
                except ValueError as error:
                    raise TensorFileError(f"{name}: {error}") from error
                file.write(np.ascontiguousarray(block))


def converted(numbers: np.ndarray, old: str, new: str) -> np.ndarray:
    """The numbers in another type of NUMPY_TYPES, rounded to nearest, ties to even.

    ValueError where float16 cannot hold a number that is finite: bfloat16 and float32 go further.
    """
    if old == new:
        return numbers
    wide = widened(numbers) if old == "BF16" else numbers.astype(np.float32)
    if new == "BF16":
        return rounded_bits(wide)
    if new == "F32":
        return wide
    with np.errstate(over="ignore"):
        half = wide.astype(np.float16)
    if (lost := np.isinf(half) & np.isfinite(wide)).any():
        raise ValueError(f"float16 cannot hold {wide[lost][0]:g}")
    return half


def widened(bits: np.ndarray) -> np.ndarray:
    """bfloat16 bits -> the same numbers in float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def rounded_bits(numbers: np.ndarray) -> np.ndarray:
    """float32 -> the bits of the nearest bfloat16, of two the even one; NaN keeps its sign and its upper bits."""
    bits = np.ascontiguousarray(numbers, np.float32).view(np.uint32)
    nearest = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    return np.where(np.isnan(numbers), (bits >> 16) | 0x40, nearest).astype(np.uint16)


def listed(names: list[str], most: int = 6) -> str:
    """The first of the names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
