"""Runs Ascend C kernels on a CPU: a functional model that checks them; not Ascend hardware."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfm_ms.ops.ascendc_sim.compiler import BuildError, build, why_not
from sfm_ms.ops.ascendc_sim.report import ChipReport, CoreReport, Report, SimulationError, Violation

__all__ = [
    "BLOCKS",
    "SCHEDULES",
    "BuildError",
    "Output",
    "Report",
    "SimulationError",
    "Violation",
    "build",
    "simulate",
    "why_not",
]

BLOCKS = ("mixed", "vector", "cube")
SCHEDULES = ("program", "random", "late_loads", "early_loads")


@dataclass(frozen=True)
class Output:
    """An argument that the kernel has to fill: poison before the launch, and an error if part of it stays unwritten."""

    shape: tuple[int, ...]
    dtype: np.dtype | type | str


def simulate(
    source: Path | str,
    kernel: str,
    chip: str,
    arguments: Sequence[np.ndarray | Output],
    *,
    tiling: bytes = b"",
    num_blocks: int = 1,
    block: str = "mixed",
    workspace_bytes: int = 0,
    schedule: str = "program",
    seed: int = 0,
    random_accumulation: bool | None = None,
    overflow: str | None = None,
    math_ulps: int = 0,
    tiling_key: int = 0,
    allow: Sequence[str] = (),
    defines: Sequence[str] = (),
    timeout: float = 120,
) -> Report:
    """Launches `kernel(arguments..., workspace, tiling)` of `source` (a Path, or source text) on `chip` "910A" or "910B".

    On the 910B a block is an AIC with two AIVs ("mixed"), or one of either kind ("vector", "cube"), as CANN launches kernels
    without a Cube or without a vector part. Arrays are passed by value; what the kernel leaves in them is in
    `Report.outputs`, in the same order. `schedule` is the order in which recorded operations run: "program", "random" (drawn
    from `seed`), "late_loads" or "early_loads". `random_accumulation` draws the order in which Mmad adds its products; by
    default it does so unless the schedule is "program". `overflow` is what half does beyond its range, "inf" or "saturate"
    (default: saturate on the 910A, inf on the 910B). Exp, Ln, Sqrt, Rsqrt and Reciprocal are off by up to `math_ulps` last
    places, drawn from `seed`. Kinds in `allow` become warnings.

    Raises SimulationError with everything that was found, BuildError if g++ rejects the source, ValueError for a bad argument.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule is {schedule!r}, expected one of {', '.join(SCHEDULES)}")
    if overflow not in (None, "inf", "saturate"):
        raise ValueError(f"overflow is {overflow!r}, expected 'inf' or 'saturate'")
    if block not in BLOCKS:
        raise ValueError(f"block is {block!r}, expected one of {', '.join(BLOCKS)}")
    if num_blocks < 1:
        raise ValueError(f"num_blocks is {num_blocks}, expected at least 1")
    program = build(source, chip, defines)
    options = {
        "kernel": kernel,
        "schedule": schedule,
        "num_blocks": num_blocks,
        "block": block,
        "seed": seed,
        "random_accumulation": int(schedule != "program" if random_accumulation is None else random_accumulation),
        "saturate": int(overflow == "saturate" if overflow else chip == "910A"),
        "math_ulps": math_ulps,
        "tiling_key": tiling_key,
    }
    workspace = Output((workspace_bytes,), np.uint8)
    placed = [*arguments, workspace, np.frombuffer(tiling, np.uint8)]
    names = [*(f"argument_{i}" for i in range(len(arguments))), "workspace", "tiling"]
    result, memory = launch(program, options, names, placed, timeout)
    return judge(result, outputs_of(arguments, memory), set(allow))


def launch(program: Path, options: dict, names: Sequence[str], arguments: Sequence, timeout: float) -> tuple[dict, bytes]:
    """Runs a built program in a process of its own; returns its report and the arguments' memory after the launch."""
    with tempfile.TemporaryDirectory() as scratch:
        spec, data, output, report = (Path(scratch) / name for name in ("spec", "data", "output", "report"))
        lines = [f"{key} {value}" for key, value in options.items()]
        for name, argument in zip(names, arguments, strict=True):
            lines.append(f"argument {name} {num_bytes(argument)} {int(isinstance(argument, np.ndarray))}")
        spec.write_text("\n".join(lines) + "\n", encoding="utf-8")
        data.write_bytes(b"".join(np.ascontiguousarray(a).tobytes() for a in arguments if isinstance(a, np.ndarray)))
        command = [str(program), *map(str, (spec, data, output, report))]
        try:
            process = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            text = f"the kernel did not end within {timeout:g} seconds"
            raise SimulationError([Violation("timeout", text)], {"timeout": 1}, None) from None
        if process.returncode:
            text = process.stderr.strip() or f"the kernel crashed (exit status {process.returncode})"
            raise SimulationError([Violation("crash", text)], {"crash": 1}, None)
        return json.loads(report.read_text(encoding="utf-8")), output.read_bytes()


def num_bytes(argument: np.ndarray | Output) -> int:
    if isinstance(argument, Output):
        return int(np.prod(argument.shape)) * np.dtype(argument.dtype).itemsize
    return argument.nbytes


def outputs_of(arguments: Sequence[np.ndarray | Output], memory: bytes) -> list[np.ndarray]:
    outputs, offset = [], 0
    for argument in arguments:
        size = num_bytes(argument)
        array = np.frombuffer(memory, argument.dtype, size // np.dtype(argument.dtype).itemsize, offset)
        outputs.append(array.reshape(argument.shape).copy())
        offset += size
    return outputs


def judge(result: dict, outputs: list[np.ndarray], allowed: set[str]) -> Report:
    """The report, or a SimulationError if it holds violations that the caller did not allow."""
    found = [Violation(kind, text) for kind, text in result["violations"]]
    warnings = [Violation(kind, text) for kind, text in result["warnings"]]
    report = Report(
        outputs=outputs,
        makespan=result["makespan"],
        ghz=result["ghz"],
        chip=ChipReport(**result["chip"]),
        cores=[CoreReport(**core) for core in result["cores"]],
        warnings=[*warnings, *(violation for violation in found if violation.kind in allowed)],
    )
    counts = {kind: int(count) for kind, count in result["violations_counts"].items() if kind not in allowed}
    if counts:
        raise SimulationError([violation for violation in found if violation.kind not in allowed], counts, report)
    return report
