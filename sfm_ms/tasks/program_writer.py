"""Small random pieces of Python that programs are put together from: names, literals, expressions, conditions, statements."""

from __future__ import annotations

import random

VARIABLES = ("a", "b", "c", "d", "e", "g", "h", "k", "m", "n", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z")
NUMBERS = ("total", "count", "best", "result", "value", "score", "acc", "current", "level", "amount")
LISTS = ("xs", "items", "values", "numbers", "data", "row", "queue", "parts")
TEXTS = ("text", "word", "name", "line", "label", "token")
DICTS = ("table", "counts", "ages", "prices", "index", "seen")
FUNCTIONS = ("f", "g", "compute", "solve", "step", "helper", "update", "check", "process", "combine", "measure", "apply")
WORDS = (
    "red", "blue", "green", "cat", "dog", "bird", "tree", "stone", "river", "level", "noon", "radar", "apple", "pear", "one",
    "two", "sun", "moon", "banana", "kiwi", "abc", "hello", "data", "code",
)  # fmt: skip
INDENT = "    "


def indented(lines: list[str], levels: int = 1) -> list[str]:
    return [INDENT * levels + line for line in lines]


class Writer:
    """Draws pieces of programs. `names` are variables that hold whole numbers; these begin with none beyond `largest`."""

    def __init__(self, rng: random.Random, largest: int = 50):
        self.rng, self.largest = rng, largest
        self.used: set[str] = set()

    def new(self, pool: tuple[str, ...] = VARIABLES) -> str:
        """A name that this program does not have yet."""
        free = [name for name in pool if name not in self.used] or [name for name in VARIABLES if name not in self.used]
        name = self.rng.choice(free)
        self.used.add(name)
        return name

    def number(self, low: int = -20, high: int = 50) -> int:
        return self.rng.randint(min(max(low, -self.largest), self.largest), min(high, self.largest))

    def small(self) -> int:
        return self.rng.randint(2, 9)

    def digit(self) -> int:
        return self.rng.randint(0, 9)

    def numbers(self, low: int = 3, high: int = 6) -> list[int]:
        return [self.rng.randint(-9, 20) for _ in range(self.rng.randint(low, high))]

    def word(self) -> str:
        return self.rng.choice(WORDS)

    def words(self, low: int = 2, high: int = 4) -> list[str]:
        return self.rng.sample(WORDS, self.rng.randint(low, high))

    def record(self) -> dict[str, int]:
        return {word: self.rng.randint(1, 30) for word in self.words(2, 4)}

    def pick(self, *options: str) -> str:
        return self.rng.choice(options)

    def operand(self, names: list[str]) -> str:
        return self.rng.choice(names) if self.rng.random() < 0.6 else str(self.small())

    def expression(self, names: list[str]) -> str:
        """Of whole numbers, without errors: divisors are positive constants."""
        a = self.rng.choice(names)
        b = self.operand([name for name in names if name != a] or names)
        match self.rng.randrange(9):
            case 0 | 1:
                return f"{a} + {b}"
            case 2 | 3:
                return f"{a} - {b}"
            case 4:
                return f"{a} * {self.rng.randint(2, 5)}"
            case 5:
                return f"{a} {self.pick('//', '%')} {self.small()}"
            case 6:
                return f"({a} {self.pick('+', '-')} {b}) {self.pick('*', '%', '//')} {self.small()}"
            case 7:
                return f"{self.pick('max', 'min')}({a}, {b})"
            case _:
                return f"abs({a} - {b})" if self.rng.random() < 0.5 else f"{a} * {self.small()} - {b}"

    def condition(self, names: list[str]) -> str:
        a, b = self.rng.choice(names), self.operand(names)
        match self.rng.randrange(7):
            case 0 | 1:
                return f"{a} {self.pick('<', '<=', '>', '>=')} {self.number(-5, 20) if a == b else b}"
            case 2 | 3:
                return f"{a} % {self.rng.randint(2, 4)} {self.pick('==', '!=')} {self.rng.randint(0, 1)}"
            case 4:
                return f"{a} > {self.number(-5, 5)} {self.pick('and', 'or')} {a} < {self.number(6, 20)}"
            case 5:
                return f"not {a} > {self.number(0, 15)}"
            case _:
                return f"{a} {self.pick('>', '<')} {self.number(-5, 20)}"

    def operation(self, names: list[str], targets: list[str]) -> str:
        """One statement that changes a target; `names` may be read."""
        target = self.rng.choice(targets)
        match self.rng.randrange(8):
            case 0 | 1 | 2:
                return f"{target} = {self.expression(names)}"
            case 3 | 4:
                return f"{target} {self.pick('+=', '-=')} {self.operand(names)}"
            case 5:
                return f"{target} {self.pick('*=', '//=', '%=')} {self.rng.randint(2, 5)}"
            case 6 if len(targets) > 1:
                other = self.rng.choice([name for name in targets if name != target])
                return f"{target}, {other} = {other}, {self.pick(target, f'{target} + {self.small()}')}"
            case _:
                return f"{target} = {self.expression(names)} if {self.condition(names)} else {self.operand(names)}"

    def operations(self, names: list[str], targets: list[str], low: int = 1, high: int = 2) -> list[str]:
        return [self.operation(names, targets) for _ in range(self.rng.randint(low, high))]

    def starts(self, low: int, high: int) -> tuple[list[str], list[str]]:
        """Variables and the lines that give them their first numbers."""
        names = [self.new(VARIABLES if self.rng.random() < 0.7 else NUMBERS) for _ in range(self.rng.randint(low, high))]
        return names, [f"{name} = {self.number()}" for name in names]

    def branch(self, names: list[str]) -> list[str]:
        lines = [f"if {self.condition(names)}:", *indented(self.operations(names, names))]
        if self.rng.random() < 0.3:
            lines += [f"elif {self.condition(names)}:", *indented(self.operations(names, names, 1, 1))]
        if self.rng.random() < 0.6:
            lines += ["else:", *indented(self.operations(names, names))]
        return lines

    def loop(self, names: list[str]) -> list[str]:
        """A `for` over a range, some turns of which may be left."""
        turn = self.new(("i", "j", "k"))
        start = self.rng.randint(0, 3)
        span = [f"{start + self.rng.randint(2, 4)}", f"{start}, {start + self.rng.randint(2, 4)}", f"{start + 4}, {start}, -1"]
        body = self.operations([*names, turn], names)
        match self.rng.randrange(4):
            case 0:
                body.insert(0, f"if {self.condition([*names, turn])}:\n{INDENT}continue")
            case 1:
                body.append(f"if {self.condition(names)}:\n{INDENT}break")
            case 2:
                body = [f"if {self.condition([turn, *names])}:", *indented(body)]
        body = "\n".join(body).split("\n")
        return [f"for {turn} in range({self.rng.choice(span)}):", *indented(body)]

    def countdown(self, names: list[str]) -> list[str]:
        """A `while` that ends: its counter is changed nowhere else."""
        counter, down = self.new(), self.rng.random() < 0.5
        step, turns = self.rng.randint(1, 4), self.rng.randint(2, 4)
        body = self.operations([*names, counter], names)
        if down:
            head = [f"{counter} = {step * turns}", f"while {counter} > 0:"]
            return [*head, *indented([*body, f"{counter} -= {step}"])]
        start = self.rng.randint(0, 5)
        head = [f"{counter} = {start}", f"while {counter} < {start + step * turns}:"]
        return [*head, *indented([f"{counter} += {step}", *body])]
