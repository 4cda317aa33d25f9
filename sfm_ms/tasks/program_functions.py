"""Random functions in Python, by difficulty, with arguments to call them with.

Difficulty 1: arithmetic; 2: branches and loops; 3: lists, texts and nested loops; 4: recursion, dicts, built lists and texts;
5: comprehensions, exceptions, functions of functions, nested data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sfm_ms.tasks.program_writer import DICTS, FUNCTIONS, LISTS, NUMBERS, TEXTS, Writer, indented


class FunctionSource(NamedTuple):
    name: str
    lines: list[str]
    arguments: Callable[[], tuple[Any, ...]]  # draws values to call it with

    def call(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments()))})"


def function(writer: Writer, difficulty: int) -> FunctionSource:
    """Draws one of the functions of this difficulty, 1 to 5."""
    return writer.rng.choice(FUNCTIONS_BY_DIFFICULTY[difficulty])(writer)


def _arithmetic(w: Writer) -> FunctionSource:
    f, a, b, result = w.new(FUNCTIONS), w.new(), w.new(), w.new(NUMBERS)
    body = [f"{result} = {w.expression([a, b])}", *w.operations([a, b, result], [result, a, b], 1, 3)]
    returned = w.pick(result, w.expression([result, a]))
    return FunctionSource(f, [f"def {f}({a}, {b}):", *indented([*body, f"return {returned}"])], lambda: (w.number(), w.number()))


def _default(w: Writer) -> FunctionSource:
    f, a, b = w.new(FUNCTIONS), w.new(), w.new()
    lines = [f"def {f}({a}, {b}={w.small()}):", *indented([w.operation([a, b], [a]), f"return {w.expression([a, b])}"])]
    return FunctionSource(f, lines, lambda: (w.number(), w.small())[: w.rng.randint(1, 2)])


def _branches(w: Writer) -> FunctionSource:
    f, a, b = w.new(FUNCTIONS), w.new(), w.new()
    lines = [f"if {w.condition([a, b])}:", f"    return {w.expression([a, b])}"]
    if w.rng.random() < 0.6:
        lines += [f"if {w.condition([a])}:", *indented(w.operations([a, b], [a, b]))]
    return FunctionSource(
        f, [f"def {f}({a}, {b}):", *indented([*lines, f"return {w.expression([a, b])}"])], lambda: (w.number(), w.number())
    )


def _counted_loop(w: Writer) -> FunctionSource:
    f, n, total, i = w.new(FUNCTIONS), w.new(), w.new(NUMBERS), w.new(("i", "j"))
    body = [f"{total} += {w.expression([i, total])}"]
    if w.rng.random() < 0.5:
        body = [f"if {w.condition([i])}:", *indented(body), *(["else:", f"    {total} -= {w.operand([i])}"])]
    start, end = w.rng.randint(0, 1), w.pick(n, f"{n} + 1")
    lines = [f"{total} = {w.number(0, 5)}", f"for {i} in range({start}, {end}):", *indented(body), f"return {total}"]
    return FunctionSource(f, [f"def {f}({n}):", *indented(lines)], lambda: (w.rng.randint(2, 5),))


def _digits(w: Writer) -> FunctionSource:
    f, n, total = w.new(FUNCTIONS), w.new(), w.new(NUMBERS)
    update = w.pick(f"{total} += {n} % 10", f"{total} = {total} * 10 + {n} % 10", f"{total} = max({total}, {n} % 10)")
    lines = [f"{total} = 0", f"while {n} > 0:", f"    {update}", f"    {n} //= 10", f"return {total}"]
    return FunctionSource(f, [f"def {f}({n}):", *indented(lines)], lambda: (w.rng.randint(10, 9999),))


def _gcd(w: Writer) -> FunctionSource:
    f, a, b = w.new(FUNCTIONS), w.new(), w.new()
    lines = [f"while {b}:", f"    {a}, {b} = {b}, {a} % {b}", f"return {a}"]
    return FunctionSource(f, [f"def {f}({a}, {b}):", *indented(lines)], lambda: (w.rng.randint(6, 60), w.rng.randint(4, 40)))


def _steps(w: Writer) -> FunctionSource:
    f, n, count, k = w.new(FUNCTIONS), w.new(), w.new(NUMBERS), w.small()
    lines = [f"{count} = 0", f"while {n} > {k}:"]
    lines += indented([f"if {n} % 2 == 0:", f"    {n} //= 2", "else:", f"    {n} -= {w.rng.randint(1, 3)}", f"{count} += 1"])
    return FunctionSource(f, [f"def {f}({n}):", *indented([*lines, f"return {count}"])], lambda: (w.rng.randint(8, 90),))


def _sum_where(w: Writer) -> FunctionSource:
    f, xs, x, total = w.new(FUNCTIONS), w.new(LISTS), w.new(), w.new(NUMBERS)
    update = w.pick(f"{total} += {x}", f"{total} += {w.expression([x])}", f"{total} += 1")
    lines = [f"{total} = {w.pick('0', str(w.small()))}", f"for {x} in {xs}:", f"    if {w.condition([x])}:", f"        {update}"]
    return FunctionSource(f, [f"def {f}({xs}):", *indented([*lines, f"return {total}"])], lambda: (w.numbers(),))


def _extreme(w: Writer) -> FunctionSource:
    f, xs, i, best = w.new(FUNCTIONS), w.new(LISTS), w.new(("i", "j")), w.new(NUMBERS)
    lines = [f"{best} = {w.pick('0', f'{xs}[0]')}", f"for {i} in range(1, len({xs})):"]
    lines += [
        f"    if {xs}[{i}] {w.pick('<', '>')} {w.pick(best, f'{xs}[{i} - 1]')}:",
        f"        {best} = {w.pick(i, f'{xs}[{i}]')}",
    ]
    return FunctionSource(f, [f"def {f}({xs}):", *indented([*lines, f"return {best}"])], lambda: (w.numbers(),))


def _search(w: Writer) -> FunctionSource:
    f, xs, x, i = w.new(FUNCTIONS), w.new(LISTS), w.new(), w.new(("i", "j"))
    lines = [
        f"for {i} in range(len({xs})):",
        f"    if {xs}[{i}] {w.pick('==', '>', '>=')} {x}:",
        f"        return {i}",
        "return -1",
    ]

    def arguments() -> tuple[Any, ...]:
        numbers = w.numbers()
        return numbers, w.rng.choice(numbers)

    return FunctionSource(f, [f"def {f}({xs}, {x}):", *indented(lines)], arguments)


def _pairs(w: Writer) -> FunctionSource:
    f, n, count, i, j = w.new(FUNCTIONS), w.new(), w.new(NUMBERS), w.new(("i",)), w.new(("j",))
    lines = [f"{count} = 0", f"for {i} in range({n}):", f"    for {j} in range({w.pick('2', '3', i, f'{i} + 1')}):"]
    lines += indented([f"if {w.condition([i, j])}:", f"    {count} += {w.pick('1', i, f'{i} * {j}', f'{i} + {j}')}"], 2)
    return FunctionSource(f, [f"def {f}({n}):", *indented([*lines, f"return {count}"])], lambda: (w.rng.randint(2, 3),))


def _palindrome(w: Writer) -> FunctionSource:
    f, text, i = w.new(FUNCTIONS), w.new(TEXTS), w.new(("i", "j"))
    lines = [f"for {i} in range(len({text}) // 2):", f"    if {text}[{i}] != {text}[-{i} - 1]:", "        return False"]
    return FunctionSource(f, [f"def {f}({text}):", *indented([*lines, "return True"])], lambda: (w.word(),))


def _letters(w: Writer) -> FunctionSource:
    f, text, c, made = w.new(FUNCTIONS), w.new(TEXTS), w.new(), w.new(NUMBERS)
    letters = "".join(w.rng.sample("aeioulnrtd", 3))
    if w.rng.random() < 0.4:
        body, start = [f"if {c} in {letters!r}:", f"    {made} += 1"], "0"
    else:
        otherwise = w.pick(f"{c} + {made}", f"{made} + {c}")
        body = [f"if {c} in {letters!r}:", f"    {made} += {c}.upper()", "else:", f"    {made} = {otherwise}"]
        start = w.pick("''", "'-'")
    lines = [f"{made} = {start}", f"for {c} in {text}:", *indented(body), f"return {made}"]
    return FunctionSource(f, [f"def {f}({text}):", *indented(lines)], lambda: (w.word(),))


def _recursion(w: Writer) -> FunctionSource:
    f, n, base = w.new(FUNCTIONS), w.new(), w.rng.randint(0, 2)
    deeper = w.pick(f"{n} + {f}({n} - 1)", f"{n} * {f}({n} - 1)", f"{f}({n} - 1) + {f}({n} - 2)", f"{f}({n} - 2) * 2 - {n}")
    lines = [f"if {n} <= {base}:", f"    return {w.pick('1', n, str(w.small()))}", f"return {deeper}"]
    return FunctionSource(f, [f"def {f}({n}):", *indented(lines)], lambda: (w.rng.randint(2, 5),))


def _recursive_list(w: Writer) -> FunctionSource:
    f, xs = w.new(FUNCTIONS), w.new(LISTS)
    deeper = w.pick(
        f"{xs}[0] + {f}({xs}[1:])", f"max({xs}[0], {f}({xs}[1:]))", f"{f}({xs}[1:]) - {xs}[0]", f"{xs}[-1] - {f}({xs}[:-1])"
    )
    lines = [f"if not {xs}:", f"    return {w.pick('0', str(w.small()))}", f"return {deeper}"]
    return FunctionSource(f, [f"def {f}({xs}):", *indented(lines)], lambda: (w.numbers(2, 4),))


def _recursive_text(w: Writer) -> FunctionSource:
    f, text = w.new(FUNCTIONS), w.new(TEXTS)
    deeper = w.pick(f"{f}({text}[1:]) + {text}[0]", f"{text}[-1] + {f}({text}[:-1])", f"{text}[0] + '.' + {f}({text}[2:])")
    lines = [f"if len({text}) < 2:", f"    return {text}", f"return {deeper}"]
    return FunctionSource(f, [f"def {f}({text}):", *indented(lines)], lambda: (w.word(),))


def _counts(w: Writer) -> FunctionSource:
    f, text, c, table = w.new(FUNCTIONS), w.new(TEXTS), w.new(), w.new(DICTS)
    update = w.pick(f"{table}[{c}] = {table}.get({c}, 0) + {w.rng.randint(1, 2)}", f"{table}.setdefault({c}, len({table}))")
    lines = [f"{table} = {{}}", f"for {c} in {text}:", f"    {update}", f"return {table}"]
    return FunctionSource(f, [f"def {f}({text}):", *indented(lines)], lambda: (w.word(),))


def _dict_work(w: Writer) -> FunctionSource:
    f, table, key, value, made = w.new(FUNCTIONS), w.new(DICTS), w.new(), w.new(), w.new(NUMBERS)
    body, start = w.rng.choice(
        [
            ([f"{made}[{value}] = {key}"], "{}"),
            ([f"if {w.condition([value])}:", f"    {made}[{key}] = {w.expression([value])}"], "{}"),
            ([f"if {w.condition([value])}:", f"    {made} += {value}", "else:", f"    {made} -= len({key})"], "0"),
            ([f"if {w.condition([value])}:", f"    {made}.append({key})"], "[]"),
        ]
    )
    lines = [f"{made} = {start}", f"for {key}, {value} in {table}.items():", *indented(body), f"return {made}"]
    return FunctionSource(f, [f"def {f}({table}):", *indented(lines)], lambda: (w.record(),))


def _built_list(w: Writer) -> FunctionSource:
    f, xs, x, made = w.new(FUNCTIONS), w.new(LISTS), w.new(), w.new(LISTS)
    body = w.rng.choice(
        [
            [f"if {x} not in {made}:", f"    {made}.append({x})"],
            [f"if {w.condition([x])}:", f"    {made}.append({w.expression([x])})"],
            [f"if {made} and {x} < {made}[-1]:", f"    {made}.insert(0, {x})", "else:", f"    {made}.append({x})"],
            [f"{made}.append({x} + {made}[-1] if {made} else {x})"],
        ]
    )
    lines = [f"{made} = []", f"for {x} in {xs}:", *indented(body), f"return {made}"]
    return FunctionSource(f, [f"def {f}({xs}):", *indented(lines)], lambda: ([w.rng.randint(0, 9) for _ in range(5)],))


def _bisection(w: Writer) -> FunctionSource:
    f, xs, x, low, high, middle = w.new(FUNCTIONS), w.new(LISTS), w.new(), w.new(("low", "left")), w.new(("high", "right")), "mid"
    lines = [f"{low}, {high} = 0, len({xs}) - 1", f"while {low} <= {high}:"]
    body = [f"{middle} = ({low} + {high}) // 2", f"if {xs}[{middle}] == {x}:", f"    return {middle}"]
    body += [f"if {xs}[{middle}] < {x}:", f"    {low} = {middle} + 1", "else:", f"    {high} = {middle} - 1"]
    lines += [*indented(body), w.pick("return -1", f"return {low}")]

    def arguments() -> tuple[Any, ...]:
        numbers = sorted(w.rng.sample(range(30), 5))
        return numbers, w.rng.choice([*numbers, w.rng.randint(0, 30)])

    return FunctionSource(f, [f"def {f}({xs}, {x}):", *indented(lines)], arguments)


def _comprehension(w: Writer) -> FunctionSource:
    f, xs, x, y = w.new(FUNCTIONS), w.new(LISTS), w.new(), w.new()
    returned = w.pick(
        f"[{w.expression([x])} for {x} in {xs} if {w.condition([x])}]",
        f"{{{x}: {w.expression([x])} for {x} in {xs} if {w.condition([x])}}}",
        f"sum({w.expression([x])} for {x} in {xs} if {w.condition([x])})",
        f"sorted({{{x} % {w.small()} for {x} in {xs}}})",
        f"[{x} - {y} for {x} in {xs} for {y} in range({w.rng.randint(1, 2)}, 3) if {w.condition([x, y])}]",
        f"{w.pick('any', 'all')}({w.condition([x])} for {x} in {xs})",
    )
    return FunctionSource(f, [f"def {f}({xs}):", f"    return {returned}"], lambda: (w.numbers(),))


def _higher_order(w: Writer) -> FunctionSource:
    f, xs, x, made = w.new(FUNCTIONS), w.new(LISTS), w.new(), w.new(LISTS)
    first = w.pick(
        f"list(map(lambda {x}: {w.expression([x])}, {xs}))",
        f"list(filter(lambda {x}: {w.condition([x])}, {xs}))",
        f"sorted({xs}, key=lambda {x}: ({x} % {w.small()}, {x}))",
        f"[{x} for {x} in reversed({xs})]",
        f"sorted({xs}, reverse=True)",
    )
    returned = w.pick(f"{made}[{w.pick('0', '-1')}] if {made} else None", f"sum({made})", f"len({made})", f"{made}[1:]", made)
    return FunctionSource(f, [f"def {f}({xs}):", f"    {made} = {first}", f"    return {returned}"], lambda: (w.numbers(),))


def _closure(w: Writer) -> FunctionSource:
    f, a, inner, x = w.new(FUNCTIONS), w.new(), w.new(FUNCTIONS), w.new()
    body = [
        f"def {inner}({x}):",
        f"    return {w.expression([x, a])}",
        f"return {inner}({a}) {w.pick('+', '-')} {inner}({w.small()})",
    ]
    return FunctionSource(f, [f"def {f}({a}):", *indented(body)], lambda: (w.number(),))


def _caught(w: Writer) -> FunctionSource:
    f, xs, i, result = w.new(FUNCTIONS), w.new(LISTS), w.new(), w.new(NUMBERS)
    lines = ["try:", f"    {result} = {xs}[{i}] {w.pick('//', '%')} ({i} - {w.rng.randint(0, 3)})"]
    handlers = [["except ZeroDivisionError:", f"    {result} = -1"], ["except IndexError:", f"    {result} = len({xs})"]]
    lines += [line for handler in w.rng.sample(handlers, 2) for line in handler]
    if w.rng.random() < 0.3:
        lines += ["else:", f"    {result} += {w.small()}"]
    if w.rng.random() < 0.3:
        lines += ["finally:", f"    {xs}.append({i})"]
    returned = w.pick(result, f"{result} + len({xs})")
    return FunctionSource(
        f, [f"def {f}({xs}, {i}):", *indented([*lines, f"return {returned}"])], lambda: (w.numbers(3, 4), w.rng.randint(0, 5))
    )


def _raised(w: Writer) -> FunctionSource:
    f, inner, x, error, result = w.new(FUNCTIONS), w.new(FUNCTIONS), w.new(), w.new(("error", "e")), w.new(NUMBERS)
    kind, bound = w.pick("ValueError", "TypeError", "RuntimeError"), w.number(0, 20)
    lines = [
        f"def {inner}({x}):",
        f"    if {w.condition([x])}:",
        f"        raise {kind}(f'bad {{{x}}}')",
        f"    return {w.expression([x])}",
    ]
    lines += [f"def {f}({x}):", "    try:", f"        {result} = {inner}({x}) + {inner}({x} - {bound})"]
    lines += [f"    except {w.pick(kind, 'Exception')} as {error}:", f"        {result} = str({error})", f"    return {result}"]
    return FunctionSource(f, lines, lambda: (w.number(-5, 30),))


def _parsed(w: Writer) -> FunctionSource:
    f, words, word, total = w.new(FUNCTIONS), w.new(LISTS), w.new(TEXTS), w.new(NUMBERS)
    lines = [f"{total} = 0", f"for {word} in {words}:", "    try:", f"        {total} += int({word})", "    except ValueError:"]
    lines += [f"        {total} {w.pick('-=', '+=')} {w.pick('1', f'len({word})')}", f"return {total}"]

    def arguments() -> tuple[Any, ...]:
        return ([w.pick(str(w.number()), w.word()) for _ in range(w.rng.randint(2, 4))],)

    return FunctionSource(f, [f"def {f}({words}):", *indented(lines)], arguments)


def _nested_data(w: Writer) -> FunctionSource:
    f, rows, row, x, made = w.new(FUNCTIONS), "rows", w.new(("row", "line")), w.new(), w.new(LISTS)
    body = w.rng.choice(
        [
            [f"for {x} in {row}:", f"    if {w.condition([x])}:", f"        {made}.append({x})"],
            [f"{made}.append(sum({row}) {w.pick('-', '+')} {row}[0])"],
            [f"{made}.append([{w.expression([x])} for {x} in {row}])"],
            [f"{made}.append({w.pick('max', 'min')}({row}))"],
        ]
    )
    lines = [f"{made} = []", f"for {row} in {rows}:", *indented(body), f"return {made}"]
    return FunctionSource(
        f, [f"def {f}({rows}):", *indented(lines)], lambda: ([w.numbers(2, 2) for _ in range(w.rng.randint(2, 3))],)
    )


FUNCTIONS_BY_DIFFICULTY: dict[int, tuple[Callable[[Writer], FunctionSource], ...]] = {
    1: (_arithmetic, _default),
    2: (_branches, _counted_loop, _digits, _gcd, _steps),
    3: (_sum_where, _extreme, _search, _pairs, _palindrome, _letters),
    4: (_recursion, _recursive_list, _recursive_text, _counts, _dict_work, _built_list, _bisection),
    5: (_comprehension, _higher_order, _closure, _caught, _raised, _parsed, _nested_data),
}
