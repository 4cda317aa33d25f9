"""Builds kernels with g++ against the simulator's headers; programs are kept in a cache folder by the hash of what went in."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

INCLUDE = Path(__file__).with_name("include")
RUNNER = INCLUDE / "engine" / "runner.h"
ARCHITECTURES = {"910A": 100, "910B": 220}


class BuildError(RuntimeError):
    """g++ rejected a kernel; `output` is what it said, of which static_assert texts name what the chip lacks."""

    def __init__(self, message: str, output: str):
        super().__init__(f"{message}\n{output}")
        self.output = output


def why_not() -> str:
    """Why kernels can't be simulated here, or nothing."""
    return "" if compiler() else "the Ascend C simulator compiles kernels with g++, which is not on the PATH"


@functools.cache
def compiler() -> str | None:
    return shutil.which("g++")


@functools.cache
def machine_flags() -> tuple[str, ...]:
    """`-mf16c` where the CPU converts between half and float by itself: the same numbers, sooner."""
    try:
        has_f16c = " f16c " in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        has_f16c = False
    return ("-mf16c",) if has_f16c else ()


def flags(chip: str) -> list[str]:
    if chip not in ARCHITECTURES:
        raise ValueError(f"chip is {chip!r}, expected one of {', '.join(ARCHITECTURES)}")
    return [
        "-std=c++17",
        "-O1",
        "-ffp-contract=off",
        "-w",
        *machine_flags(),
        f"-D__CCE_AICORE__={ARCHITECTURES[chip]}",
        f"-I{INCLUDE}",
    ]


def cache_folder() -> Path:
    """A folder of this user under the temporary folder."""
    folder = Path(tempfile.gettempdir()) / f"ascendc_sim-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    return folder


@functools.cache
def headers_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(INCLUDE.rglob("*.h")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def digest_of(parts: Sequence[str | bytes]) -> str:
    digest = hashlib.sha256(headers_digest().encode())
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]


def build(source: Path | str, chip: str, defines: Sequence[str] = ()) -> Path:
    """The program that runs the kernels of `source` (a file, or source text) as `chip` would.

    It is built again when the source, or a header that it includes, has changed.
    """
    if reason := why_not():
        raise BuildError(reason, "")
    command = [*flags(chip), *(f"-D{define}" for define in defines)]
    name = str(source.resolve()) if isinstance(source, Path) else source
    program = cache_folder() / f"{digest_of([name, *command])}.run"
    if not is_fresh(program):
        with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
            unit, kernel = Path(scratch) / "kernel.cpp", Path(scratch) / "kernel.o"
            if isinstance(source, Path):
                unit = source.resolve()
            else:
                unit.write_text(source, encoding="utf-8")
            compile_unit(unit, kernel, [*command, "-MMD"])
            built = Path(scratch) / "program"
            run([str(kernel), str(runner(chip)), "-rdynamic", "-ldl", "-o", str(built)], "linking")
            manifest = {
                str(path): file_digest(path) for path in inputs_of(kernel.with_suffix(".d")) if path.parent != Path(scratch)
            }
            manifest_of(program).unlink(missing_ok=True)  # never a new manifest beside an old program
            built.replace(program)
            (Path(scratch) / "manifest").write_text(json.dumps(manifest), encoding="utf-8")
            (Path(scratch) / "manifest").replace(manifest_of(program))
    return program


def manifest_of(program: Path) -> Path:
    """Where the digests of the files that went into a program stand."""
    return program.with_suffix(".json")


def is_fresh(program: Path) -> bool:
    try:
        manifest = json.loads(manifest_of(program).read_text(encoding="utf-8"))
        return program.exists() and all(file_digest(Path(path)) == digest for path, digest in manifest.items())
    except FileNotFoundError:
        return False


def file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def inputs_of(rule: Path) -> list[Path]:
    """The files that a make rule written by g++ names, without the system's headers and the simulator's."""
    names = rule.read_text(encoding="utf-8").replace("\\\n", " ").replace("\\ ", "\0").split(":", 1)[1].split()
    paths = [Path(name.replace("\0", " ")) for name in names]
    return [path for path in paths if INCLUDE not in path.parents]


def runner(chip: str) -> Path:
    """The engine, compiled once per chip."""
    unit = cache_folder() / f"{digest_of(['runner', *flags(chip)])}.o"
    if not unit.exists():
        with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
            built = Path(scratch) / "runner.o"
            compile_unit(RUNNER, built, flags(chip))
            built.replace(unit)
    return unit


def compile_unit(unit: Path, output: Path, command: Sequence[str]) -> None:
    run([*command, "-x", "c++", "-c", str(unit), "-o", str(output)], f"compiling {unit.name}")


def run(arguments: Sequence[str], what: str) -> None:
    result = subprocess.run([compiler(), *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise BuildError(f"{what} failed", result.stderr)
