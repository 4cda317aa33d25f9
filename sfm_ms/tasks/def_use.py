"""Which statement's value of a name may reach which statement: reaching definitions over Python's structured control flow.

Statements come compiled to what flow needs (`Step`): what they read and bind, in the order of evaluation, and their branches. A
definition reaches a use if some way through the code leads from one to the other and nothing in between binds the name anew.
Conditions are not looked into, but that of `while True`. In a `try`, everything may raise, before and after it has bound. A
jump out of a `try` passes over what its `finally` binds.
Aho, Lam, Sethi, Ullman, "Compilers", section 9.2.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Reaching = dict[str, frozenset[int]]  # name -> the statements whose value it may have
NOWHERE = None  # the state of code that is never reached


class Event(NamedTuple):
    """A name is read, bound, or unbound (`del`). One that is not certain may be passed over, as in `a and (n := b)`."""

    what: Literal["use", "bind", "unbind"]
    name: str
    is_certain: bool = True


@dataclass
class Step:
    """A statement, or the head of a compound one; `node` stands for it in the results."""

    node: int
    kind: str = "plain"  # the name of what carries it out: plain, below, branch, loop, try_, stop, break_, continue_
    events: list[Event] = field(default_factory=list)
    turn: list[Event] = field(default_factory=list)  # of a loop: before every turn
    bodies: list[list[Step]] = field(default_factory=list)  # branch: ways; loop: body, else; try: body, else, finally, handlers
    is_endless: bool = False  # a loop that only `break` leaves


def def_use(steps: Iterable[Step], bound_before: Iterable[str] = (), node: int = -1) -> Flow:
    """The flow through all `steps`; `bound_before` are names that `node` binds, such as parameters."""
    flow = Flow()
    flow.run(steps, {name: frozenset((node,)) for name in bound_before})
    return flow


class Flow:
    """`run` takes what may hold before some steps to what may hold after them; `pairs` are (defining node, using node)."""

    def __init__(self):
        self.first: set[tuple[int, int]] = set()  # pairs found on the first way through loops
        self.later: set[tuple[int, int]] = set()  # on a further way, or in text below a head's node
        self.found = self.first  # where pairs go now
        self.loops: list[tuple[list[Reaching], list[Reaching]]] = []  # what reaches a break, a continue, of the loops around
        self.tries: list[list[tuple[str, int]]] = []  # what is bound inside of the `try` bodies around

    @property
    def pairs(self) -> set[tuple[int, int]]:
        return self.first | self.later

    def known(self) -> Iterator[tuple[int, int]]:
        """The pairs that follow from the text up to the using node, if the nodes are numbered in the order of the text."""
        return (pair for pair in self.first if pair[0] < pair[1])

    def run(self, steps: Iterable[Step], state: Reaching | None) -> Reaching | None:
        for step in steps:
            if state is NOWHERE:
                return NOWHERE
            state = getattr(self, step.kind)(step, state)
        return state

    def do(self, node: int, events: list[Event], state: Reaching) -> Reaching:
        is_own = False
        for what, name, is_certain in events:
            if what == "use":
                self.found.update((definition, node) for definition in state.get(name, ()))
                continue
            state, is_own = (state if is_own else dict(state)), True
            before = frozenset() if is_certain else state.get(name, frozenset())
            if what == "bind":
                state[name] = before | {node}
                for bound in self.tries:
                    bound.append((name, node))
            elif is_certain:
                state.pop(name, None)
        return state

    def plain(self, step: Step, state: Reaching) -> Reaching:
        return self.do(step.node, step.events, state)

    def below(self, step: Step, state: Reaching) -> Reaching:
        """What stands further down than the node, such as the patterns of a `match`."""
        found, self.found = self.found, self.later
        state = self.do(step.node, step.events, state)
        self.found = found
        return state

    def stop(self, step: Step, state: Reaching) -> None:
        self.do(step.node, step.events, state)
        return NOWHERE

    def leave(self, which: int, state: Reaching) -> None:
        if self.loops:
            self.loops[-1][which].append(state)
        return NOWHERE

    def break_(self, step: Step, state: Reaching) -> None:
        return self.leave(0, state)

    def continue_(self, step: Step, state: Reaching) -> None:
        return self.leave(1, state)

    def branch(self, step: Step, state: Reaching) -> Reaching | None:
        state = self.do(step.node, step.events, state)
        return merged([self.run(body, state) for body in step.bodies])

    def loop(self, step: Step, state: Reaching) -> Reaching | None:
        body, otherwise = step.bodies
        before = self.do(step.node, step.events, state)
        entry, found = before, self.found
        while True:
            breaks, continues = [], []
            self.loops.append((breaks, continues))
            turn = self.do(step.node, step.turn, entry)
            end = self.run(body, turn)
            self.loops.pop()
            again = merged([before, end, *continues])
            if again == entry:
                break
            entry, self.found = again, self.later
        self.found = found
        # A `for` is left before it binds its name once more, a `while` after its test.
        last_turn = [event for event in step.turn if event.what == "use" or not event.is_certain]
        leaving = NOWHERE if step.is_endless else self.do(step.node, last_turn, entry)
        return merged([NOWHERE if leaving is NOWHERE else self.run(otherwise, leaving), *breaks])

    def try_(self, step: Step, state: Reaching) -> Reaching | None:
        body, otherwise, last, *handlers = step.bodies
        bound: list[tuple[str, int]] = []
        self.tries.append(bound)
        end = self.run(body, state)
        raised = with_all(state, bound)
        ends = [NOWHERE if end is NOWHERE else self.run(otherwise, end), *(self.run(handler, raised) for handler in handlers)]
        self.tries.pop()
        if not last:
            return merged(ends)
        end = merged(ends)
        self.run(last, merged([end, with_all(state, bound)]))
        return NOWHERE if end is NOWHERE else self.run(last, end)


def merged(states: list[Reaching | None]) -> Reaching | None:
    """What may hold where ways meet."""
    states = [state for state in states if state is not NOWHERE]
    if len(states) < 2:
        return states[0] if states else NOWHERE
    first, *others = states
    result = dict(first)
    for other in others:
        if other is first:
            continue
        for name, definitions in other.items():
            have = result.get(name)
            if have is None:
                result[name] = definitions
            elif have is not definitions:
                result[name] = have | definitions
    return result


def with_all(state: Reaching, bound: list[tuple[str, int]]) -> Reaching:
    """What may hold if any of the bindings has happened, or none."""
    result = dict(state)
    for name, node in bound:
        result[name] = result.get(name, frozenset()) | {node}
    return result
