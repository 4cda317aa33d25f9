"""The program dependency graph of Python source: files, functions, classes, statements and variables, and how they depend.

| edge | from | to |
|---|---|---|
| contains | file, class, function, compound statement | what stands directly in it |
| defines | statement, function (its parameters), class | variable that it binds |
| reads | statement | variable |
| mutates | statement | variable whose object it changes: an attribute, an item, `+=`, or a method such as `append` |
| imports | import statement | variable that it binds |
| calls | statement | functions or classes of the same source, by their name or as methods of `self` |
| def_use | statement or function that binds a variable | statement of the same scope that may read that value |
| control | head of `if`, `for`, `while`, `try`, `with`, `match`, `except` | statement directly under it |

A node's text is its head: of a compound statement what stands before its body, of a file nothing. It is complete where that ends,
so that a reader of a prefix can be shown the edges whose both ends are complete. Which scope a name belongs to is known at the
end of the outermost function or class around it.

`edges` are those of the complete text. `known` are edges as a reader knows them when the later end's logical line has ended, from
the text before alone. They leave out local variables, and what only text further down tells:

- def_use: only from earlier to later nodes, by ways that go through each loop at most once before they come to the use;
- names: a statement has an edge to a variable of the file that some earlier statement of the file, or a function that has ended,
  mentions, unless a scope around has bound the name by then. `global` counts from where it stands, `nonlocal` names are local;
- calls: to the functions and classes of that name so far in the nearest scope that has one, or to the methods of `self` so far;
- match: nothing that its head has from the second `case` on, which stands below it.

What cannot be parsed is left out as a whole, here too, although a reader of its beginning may not see that it is wrong.
"""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

import numpy as np

from sfm_ms.tasks.code_parts import Part, top_level
from sfm_ms.tasks.code_reader import EDGE_KINDS, FILE, CodeReader, Nodes, Scope
from sfm_ms.tasks.def_use import NOWHERE, Flow, Reaching
from sfm_ms.tasks.statements import BLANK, statement_ends


class CodeGraph(NamedTuple):
    """N nodes in the order of the source, but variables where their scope is known; E edges without repetition, sorted."""

    kinds: np.ndarray  # (N,) uint8, of code_reader.NODE_KINDS
    names: list[str]  # of functions, classes and variables; else the kind of statement
    starts: np.ndarray  # (N,) int32: characters of the source
    ends: np.ndarray  # (N,) int32: where a node's text is complete
    edges: np.ndarray  # (E, 3) int32: source, target, kind of code_reader.EDGE_KINDS
    known: np.ndarray  # (K, 3) int32: as `edges`
    warnings: list[str]  # what could not be parsed

    def complete(self, num_characters: int) -> np.ndarray:
        """(E,) bool: the edges that a reader of so many characters knows."""
        return np.maximum(self.ends[self.edges[:, 0]], self.ends[self.edges[:, 1]]) <= num_characters

    def lines(self, source: str) -> np.ndarray:
        """(N,) int32: the logical line, counted from 0, that completes each node for `known`; -1 for the file.

        A variable is there with the node that it has its place from. A line without an end has the number of `statement_ends`.
        """
        ends = statement_ends(source)
        lines = np.searchsorted(ends, self.ends)
        before = np.concatenate(([0], ends))[lines]
        is_head = [BLANK.fullmatch(source, *place) is not None for place in zip(before.tolist(), self.ends.tolist(), strict=True)]
        return (lines - is_head).astype(np.int32)  # the node of a head ends where a body begins on a line of its own


def code_graph(source: str, *, most_nodes: int | None = None) -> CodeGraph:
    """The graph of `source`. What cannot be parsed is left out, with a warning that names the line.

    ValueError: there are more than `most_nodes` nodes.
    """
    graph = GrowingCodeGraph()
    graph.append(source)
    return graph.graph(most_nodes=most_nodes)


class _Mark(NamedTuple):
    """Where reading can be taken up again: before a statement of the file."""

    start: int
    state: Reaching
    lengths: list[int]


class GrowingCodeGraph:
    """The graph of a source that grows at its end: the one that `code_graph` makes of the whole.

    What `append` reads is the last statement of the file and the new text.
    """

    def __init__(self):
        self.source = ""
        self.nodes = Nodes([], [], [], [], [], [])
        self.file = Scope(self.nodes.add(FILE, "", 0, 0), FILE, None)
        self.state: Reaching = {}  # which statements' values the file's names may have
        self.warnings: list[str] = []
        self.last = self._mark(0)  # before the last statement, or before the first one that could not be read

    def append(self, text: str) -> None:
        self.source += text
        self._go_back(self.last)
        has_failed = False
        for part in top_level(self.source, self.last.start):
            mark = self._mark(part.start)
            self.last = self.last if has_failed else mark
            try:
                self._read(part)
            except (SyntaxError, RecursionError) as error:
                self._go_back(mark)
                has_failed = True
                self.warnings.append(f"line {part.line}: left out, {getattr(error, 'msg', None) or 'nested too deeply'}")

    def shorten(self, num_characters: int) -> None:
        """Takes away what is after so many characters: text that `append` added last, and no statement of the file alone."""
        self.source = self.source[:num_characters]

    def graph(self, *, most_nodes: int | None = None) -> CodeGraph:
        """ValueError: there are more than `most_nodes` nodes."""
        nodes = self.nodes
        if most_nodes is not None and len(nodes.kinds) > most_nodes:
            raise ValueError(f"code graph: expected at most {most_nodes:,} nodes, got {len(nodes.kinds):,}")
        calls: list[tuple[int, int, int]] = []  # also of what is defined further down
        self.file.connect_calls(self.file.calls, calls)
        edges, known = sorted_edges(nodes.edges + calls), sorted_edges(nodes.known)
        kinds, starts, ends = np.array(nodes.kinds, np.uint8), np.array(nodes.starts, np.int32), np.array(nodes.ends, np.int32)
        return CodeGraph(kinds, list(nodes.names), starts, ends, edges, known, list(self.warnings))

    def _read(self, part: Part) -> None:
        if part.error is not None:
            raise part.error
        reader = CodeReader(self.nodes, part.offsets)
        flow = Flow()
        state = flow.run(reader.statements([part.statement], self.file), self.state)
        self.nodes.add_flow(flow)
        self.state = {} if state is NOWHERE else state

    def _lists(self) -> tuple[list, ...]:
        return (*self.nodes, self.file.calls, self.warnings)

    def _mark(self, start: int) -> _Mark:
        return _Mark(start, self.state, [len(numbers) for numbers in self._lists()])

    def _go_back(self, mark: _Mark) -> None:
        for numbers, length in zip(self._lists(), mark.lengths, strict=True):
            del numbers[length:]
        self.state = mark.state
        num_nodes = len(self.nodes.kinds)
        self.file.variables = {name: node for name, node in self.file.variables.items() if node < num_nodes}
        callables = {name: [node for node in found if node < num_nodes] for name, found in self.file.callables.items()}
        self.file.callables = {name: found for name, found in callables.items() if found}


def sorted_edges(edges: list[tuple[int, int, int]]) -> np.ndarray:
    """(E, 3) int32, each edge once."""
    sources, targets, kinds = np.fromiter(chain.from_iterable(edges), np.int64, 3 * len(edges)).reshape(-1, 3).T
    most = 1 + max(sources.max(initial=0), targets.max(initial=0))
    numbers, kinds = np.divmod(np.unique((sources * most + targets) * len(EDGE_KINDS) + kinds), len(EDGE_KINDS))
    return np.stack((*np.divmod(numbers, most), kinds), 1).astype(np.int32)
