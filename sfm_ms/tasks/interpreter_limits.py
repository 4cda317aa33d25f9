"""What a program may use before the interpreter stops it: steps, cells of values, bits of integers, calls in calls, time.

A cell is an element of a container, eight characters of a text or 64 bits of a number: about 8 bytes. An entry of a dict or set
has eight, a text or container that is read has four more. Operations pay for the cells that they make and for those that they
read, before they do it, and get none back. So `cells` bounds what is alive at any time, garbage included, and with it how long
Python's own operations, which cannot be interrupted, may take.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SCALARS = frozenset({int, bool, float, type(None)})
VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
CONTAINERS = (list, tuple, set, frozenset, *VIEWS)
MAX_NESTING = 40  # of containers in containers: Python's own hashing of tuples does not stop before the stack is gone
_CELLS_OF_AN_OBJECT = 4  # besides what is in it
_STEPS_BETWEEN_CLOCKS = 256


@dataclass(frozen=True)
class Limits:
    """What a program may use before it is stopped with an error that it cannot catch."""

    steps: int = 100_000  # statements, turns of loops and comprehensions, calls
    integer_bits: int = 4096
    cells: int = 4_000_000  # made or read by operations and by the trace, all together
    depth: int = 50  # calls within calls
    seconds: float = 10.0  # of wall-clock time: above what the other limits leave


class ProgramError(Exception):
    """The program is not in the subset, went over a limit or raised; the message is Python's, with the line."""


@dataclass
class Budget:
    """What is left of the limits. `line` is that of the statement that runs, for messages."""

    limits: Limits
    steps: int = 0
    cells: int = 0
    depth: int = 0
    line: int = 0
    next_clock: int = 0
    deadline: float = field(init=False)

    def __post_init__(self):
        self.deadline = time.monotonic() + self.limits.seconds

    def step(self) -> None:
        self.steps += 1
        if self.steps > self.limits.steps:
            raise self.error("StepLimit", f"more than {self.limits.steps} steps")
        self.watch_clock()

    def pay(self, cells: int) -> None:
        """Raises ProgramError where there are not as many left; call it before the operation that needs them."""
        self.cells += cells
        if self.cells > self.limits.cells:
            raise self.error("MemoryLimit", f"values of more than {self.limits.cells} cells")
        self.watch_clock()

    def watch_clock(self) -> None:
        if self.steps + self.cells < self.next_clock:
            return
        self.next_clock = self.steps + self.cells + _STEPS_BETWEEN_CLOCKS
        if time.monotonic() > self.deadline:
            raise self.error("TimeLimit", f"more than {self.limits.seconds:g} seconds")

    def check_bits(self, bits: int) -> None:
        if bits > self.limits.integer_bits:
            raise self.error("IntegerLimit", f"a number of more than {self.limits.integer_bits} bits")

    def enter_call(self) -> None:
        self.step()
        if self.depth >= self.limits.depth:
            raise self.error("DepthLimit", f"more than {self.limits.depth} calls within calls")
        self.depth += 1

    def walk(self, *values: Any) -> list[Any]:
        """The texts, containers and everything else but numbers in the values, each once; pays for reading the values.

        A list that stands in a value twice is paid for twice: comparing, hashing, printing and copying read it twice.
        """
        found: dict[int, _Found] = {}
        for value in values:
            if type(value) not in SCALARS:
                self._visit(value, 1, found)
        return [each.value for each in found.values()]

    def _visit(self, value: Any, nesting: int, found: dict[int, _Found]) -> _Found:
        before = found.get(id(value))
        if nesting + (before.height if before else 0) > MAX_NESTING:
            raise self.error("DepthLimit", f"values nested more than {MAX_NESTING} deep")
        if before:
            self.pay(before.cells)
            return before
        cells = self.cells
        self.pay(_CELLS_OF_AN_OBJECT + width(value))
        inside = [self._visit(each, nesting + 1, found) for each in _elements(value) if type(each) not in SCALARS]
        height = 1 + max((each.height for each in inside), default=0)
        found[id(value)] = _Found(value, self.cells - cells, height)
        return found[id(value)]

    def read(self, *values: Any) -> None:
        """Pays for an operation that may look at all that is in the values."""
        if any(type(value) not in SCALARS for value in values):
            self.walk(*values)

    def error(self, kind: str, words: str) -> ProgramError:
        return ProgramError(f"{kind}: {words} (line {self.line})")

    def unsupported(self, construct: str) -> ProgramError:
        return self.error("Unsupported", f"{construct} is not in the subset")


class _Found(NamedTuple):
    value: Any
    cells: int  # of all that is in it
    height: int  # containers in each other


def _elements(value: Any) -> Iterable[Any]:
    if type(value) is dict:
        return [*value.keys(), *value.values()]
    if type(value) in CONTAINERS:
        return value
    return value.args if isinstance(value, BaseException) else ()


def width(value: Any) -> int:
    """Cells of a value without those of what its elements are."""
    kind = type(value)
    if kind is str:
        return len(value) // 8
    if kind is dict or kind is set:
        return 8 * len(value)
    if kind in CONTAINERS:
        return len(value)
    return 0
