"""What a simulated launch found, made and (by the cycle model) took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Violation:
    kind: str  # a stable word, e.g. "hazard_raw"; ops/ascendc_sim/README.md lists them
    text: str

    def __str__(self):
        return f"[{self.kind}] {self.text}"


@dataclass(frozen=True)
class ChipReport:
    """What the model takes the chip to have: cores in all, and per cycle and core bytes from and to GM and flops of the Cube."""

    cube_cores: int
    vector_cores: int
    gm_read_rate: float
    gm_write_rate: float
    cube_flop_rate: float


@dataclass(frozen=True)
class CoreReport:
    """One core: cycles per pipe are a model's, bytes and flops are counted."""

    name: str
    num_entries: int
    gm_bytes_read: float
    gm_bytes_written: float
    cube_flop: float
    busy: dict[str, float]  # pipe -> cycles


@dataclass(frozen=True)
class Report:
    """`makespan` is the longest chain of operations through pipes and flags, in cycles of the model."""

    outputs: list[np.ndarray]
    makespan: float
    ghz: float
    chip: ChipReport
    cores: list[CoreReport]
    warnings: list[Violation]

    @property
    def seconds(self) -> float:
        return self.makespan / (self.ghz * 1e9)

    @property
    def busy(self) -> dict[str, float]:
        """Cycles per pipe of the core where that pipe works longest."""
        return {pipe: max(core.busy[pipe] for core in self.cores) for pipe in self.cores[0].busy}

    @property
    def bound(self) -> float:
        """No schedule is shorter than the busiest pipe."""
        return max(self.busy.values())

    @property
    def utilisation(self) -> dict[str, float]:
        return {pipe: cycles / self.makespan if self.makespan else 0.0 for pipe, cycles in self.busy.items()}

    @property
    def gm_bytes(self) -> float:
        return sum(core.gm_bytes_read + core.gm_bytes_written for core in self.cores)

    @property
    def cube_flop(self) -> float:
        return sum(core.cube_flop for core in self.cores)

    def __str__(self):
        pipes = ", ".join(f"{pipe} {share:.0%}" for pipe, share in self.utilisation.items() if share)
        return (
            f"model, not hardware: {self.makespan:.0f} cycles ({self.seconds * 1e6:.1f} us), busiest pipe {self.bound:.0f}; "
            f"{pipes}; {self.gm_bytes / 1024:.0f} KiB through GM, {self.cube_flop / 1e6:.2f} MFLOP on the Cube"
        )


class SimulationError(RuntimeError):
    """A kernel broke a rule of the chip. `counts` maps each kind to how often; `violations` holds the first texts of each."""

    def __init__(self, violations: list[Violation], counts: dict[str, int], report: Report | None):
        self.violations = violations
        self.counts = counts
        self.report = report
        total = ", ".join(f"{kind}: {count}" for kind, count in sorted(counts.items()))
        super().__init__("\n".join([f"the kernel broke the rules ({total})", *map(str, violations)]))

    @property
    def kinds(self) -> set[str]:
        return set(self.counts)
