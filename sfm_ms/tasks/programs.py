"""Random programs in Python of difficulty 1 to 5, each of which prints one value at its end.

1: straight lines of arithmetic; 2: branches and loops; 3: nested loops, functions, lists and texts; 4: recursion, dicts, built
lists and texts; 5: comprehensions, exceptions, functions of functions. Moves, the simplest of difficulty 1, copy digits from name
to name and count them up and down: for models of a few layers. Every kind is random in its names, constants, operators,
conditions and order; a program may still raise or run long, so callers run it before they use it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from sfm_ms.tasks.program_functions import function
from sfm_ms.tasks.program_writer import DICTS, LISTS, NUMBERS, TEXTS, VARIABLES, Writer, indented

DIFFICULTIES = (1, 2, 3, 4, 5)
_MOVED = 7  # names that moves are between: fewer to learn


def program(rng: random.Random, difficulty: int, largest: int = 50, only_moves: bool = False) -> str:
    """The text of a program. Its last line is `print(...)`. largest: of the numbers that variables begin with."""
    if difficulty not in DIFFICULTIES:
        raise ValueError(f"difficulty: expected one of {', '.join(map(str, DIFFICULTIES))}, got {difficulty!r}")
    if only_moves and difficulty != 1:
        raise ValueError(f"only_moves: expected difficulty 1, got {difficulty}")
    writer = Writer(rng, largest)
    return "\n".join(rng.choice([_moves] if only_moves else KINDS[difficulty])(writer))


def _moves(w: Writer) -> list[str]:
    names = [w.new(VARIABLES[:_MOVED]) for _ in range(w.rng.randint(2, 3))]
    lines = [f"{name} = {w.digit()}" for name in names]
    for _ in range(w.rng.randint(3, 5)):
        name, other = w.rng.sample(names, 2)
        lines.append(w.pick(f"{name} = {other}", f"{name} = {other}", f"{name} += 1", f"{name} -= 1", f"{name} = {w.digit()}"))
    return [*lines, f"print({w.rng.choice(names)})"]


def _straight(w: Writer) -> list[str]:
    names, lines = w.starts(2, 4)
    for _ in range(w.rng.randint(2, 5)):
        if w.rng.random() < 0.2:
            new = w.new()
            lines.append(f"{new} = {w.expression(names)}")
            names = [*names, new]
        else:
            lines.append(w.operation(names, names))
    return [*lines, f"print({w.rng.choice(names)})"]


def _branches(w: Writer) -> list[str]:
    names, lines = w.starts(2, 3)
    lines += w.branch(names)
    if w.rng.random() < 0.5:
        lines += w.branch(names)
    return [*lines, *w.operations(names, names, 0, 1), f"print({w.rng.choice(names)})"]


def _loop(w: Writer) -> list[str]:
    names, lines = w.starts(1, 3)
    lines += w.loop(names)
    if w.rng.random() < 0.3:
        lines += ["else:", *indented(w.operations(names, names, 1, 1))]
    return [*lines, *w.operations(names, names, 0, 1), f"print({w.rng.choice(names)})"]


def _countdown(w: Writer) -> list[str]:
    names, lines = w.starts(1, 2)
    return [*lines, *w.countdown(names), f"print({w.rng.choice(names)})"]


def _loop_over(w: Writer) -> list[str]:
    names, lines = w.starts(1, 2)
    item = w.new()
    lines.append(f"for {item} in {w.numbers(2, 4)}:")
    body = w.branch([*names, item]) if w.rng.random() < 0.5 else w.operations([*names, item], names)
    return [*lines, *indented(body), f"print({w.rng.choice(names)})"]


def _nested_loops(w: Writer) -> list[str]:
    names, lines = w.starts(1, 2)
    outer = w.new(("i", "row"))
    inner = w.countdown([*names, outer]) if w.rng.random() < 0.3 else w.loop([*names, outer])
    inner = [line.replace(f"{outer} = ", f"{names[0]} = ") for line in inner]
    lines += [f"for {outer} in range({w.rng.randint(2, 3)}):", *indented(inner)]
    return [*lines, f"print({w.rng.choice(names)})"]


def _list_work(w: Writer) -> list[str]:
    xs, number = w.new(LISTS), w.new(NUMBERS)
    lines = [f"{xs} = {w.numbers(4, 6)}", f"{number} = {w.small()}"]
    for _ in range(w.rng.randint(2, 5)):
        at = w.rng.randint(-3, 2)
        lines.append(
            w.pick(
                f"{xs}.append({number})", f"{xs}[{at}] = {w.expression([number])}", f"{number} = {xs}[{at}]", f"{xs}.reverse()",
                f"{number} += {xs}.pop({w.pick('', '0')})", f"{xs}.insert({w.rng.randint(0, 3)}, {w.number()})", f"{xs}.sort()",
                f"{number} = {w.pick('sum', 'max', 'min', 'len')}({xs})", f"{xs} = {xs}[1:]", f"{xs} = {xs}[::-1]",
                f"{xs}[{at}] += {number}", f"{xs} += [{number}, {w.small()}]", f"{number} = {xs}.index({xs}[{at}])",
                f"{xs}[0], {xs}[-1] = {xs}[-1], {xs}[0]", f"{number} = {xs}.count({number})", f"del {xs}[{at}]",
            )
        )  # fmt: skip
    return [*lines, f"print({w.pick(xs, number, f'sum({xs})')})"]


def _text_work(w: Writer) -> list[str]:
    text, number, parts = w.new(TEXTS), w.new(NUMBERS), w.new(LISTS)
    first, second = w.words(2, 2)
    lines = [f"{text} = {first!r}", f"{number} = {w.small()}"]
    for _ in range(w.rng.randint(2, 4)):
        letter = w.rng.choice(first)
        lines.append(
            w.pick(
                f"{text} = {text} + {second!r}", f"{text} = {text}.upper()", f"{text} = {text}[::-1]", f"{text} = {text}[1:]",
                f"{text} = {text}.replace({letter!r}, {second[0]!r})", f"{number} = len({text})", f"{text} += {text}[0]",
                f"{number} = {text}.count({letter!r})", f"{number} += {text}.find({letter!r})", f"{text} = {text}.title()",
                f"{text} = f'{{{text}}}-{{{number}}}'", f"{text} = {text} * 2", f"{text} = {text}.strip({letter!r})",
                f"{text} = f'{{{number}:>{w.rng.randint(2, 4)}}}{{{text}}}'", f"{text} = str({number}) + {text}[-2:]",
            )
        )  # fmt: skip
    if w.rng.random() < 0.4:
        lines += [f"{parts} = {' '.join(w.words()) + ' ' + first!r}.split({w.pick('', repr(' '))})"]
        lines += [f"{text} = {w.pick(repr('-'), repr(', '), repr(''))}.join({parts}{w.pick('', '[1:]', '[::-1]')})"]
    return [*lines, f"print({w.pick(text, text, number)})"]


def _calls(difficulty: int) -> Callable[[Writer], list[str]]:
    def kind(w: Writer) -> list[str]:
        source = function(w, difficulty)
        first = w.new(NUMBERS)
        lines = [*source.lines, f"{first} = {source.call()}"]
        if difficulty < 4 and w.rng.random() < 0.4:
            second = w.new(NUMBERS)
            lines += [f"{second} = {source.call()}"]
            return [*lines, f"print({w.pick(first, second, f'{first} == {second}')})"]
        return [*lines, f"print({first})"]

    return kind


def _dict_work(w: Writer) -> list[str]:
    table, number = w.new(DICTS), w.new(NUMBERS)
    record = w.record()
    key, new = w.rng.choice(list(record)), w.word()
    lines = [f"{table} = {record}", f"{number} = {w.small()}"]
    for _ in range(w.rng.randint(2, 4)):
        lines.append(
            w.pick(
                f"{table}[{new!r}] = {w.expression([number])}", f"{table}[{key!r}] += {number}", f"{number} = len({table})",
                f"{number} = {table}.get({new!r}, {w.small()})", f"{number} = sum({table}.values())",
                f"{number} = {table}[{key!r}]", f"{number} -= {new!r} in {table}", f"{table}.setdefault({new!r}, {number})",
                f"{number} += {table}.pop({new!r}, {w.small()})", f"{table}.update({new}={number})",
                f"{number} = max({table}.values(), key=str)", f"{table}[{number}] = {new!r}",
            )
        )  # fmt: skip
    end = w.pick(str(table), number, f"sorted({table}, key=str)", f"list({table}.items())[-1]")
    return [*lines, f"print({end})"]


def _dict_loop(w: Writer) -> list[str]:
    table, key, value, total = w.new(DICTS), w.new(), w.new(), w.new(NUMBERS)
    body = w.pick(f"{total} += {w.expression([value])}", f"{total} = {total} * 2 - {value}", f"{total} += len({key}) * {value}")
    lines = [f"{table} = {w.record()}", f"{total} = {w.small()}", f"for {key}, {value} in sorted({table}.items()):"]
    lines += [
        f"    if {w.condition([value])}:",
        f"        {body}",
        "    else:",
        f"        {table}[{key}] = {w.operand([total, value])}",
    ]
    return [*lines, f"print({w.pick(table, total)})"]


def _comprehensions(w: Writer) -> list[str]:
    xs, x, made, number = w.new(LISTS), w.new(), w.new(LISTS), w.new(NUMBERS)
    lines = [f"{xs} = {w.numbers(4, 6)}", f"{made} = [{w.expression([x])} for {x} in {xs} if {w.condition([x])}]"]
    further = w.pick(
        f"{{{x}: {w.expression([x])} for {x} in {made}}}", f"sum({w.expression([x])} for {x} in {made})", f"sorted(set({made}))",
        f"[({x}, {x} % {w.small()}) for {x} in {made}[:3]]", f"len({{{x} % {w.small()} for {x} in {xs}}})",
        f"dict(zip({made}, {xs}))", f"[{x} for {x} in enumerate({made})]", f"max({made}, default={w.small()})",
    )  # fmt: skip
    return [*lines, f"{number} = {further}", f"print({w.pick(number, number, made)})"]


def _composed(w: Writer) -> list[str]:
    first, second = function(w, 1), function(w, w.rng.randint(1, 2))
    result = w.new(NUMBERS)
    x = w.new()
    lines = [*first.lines, *second.lines, f"{result} = {first.call()}"]
    count = len(second.arguments())
    values = ", ".join([f"abs({result}) % 20 + 1", *(str(w.small()) for _ in range(count - 1))])
    lines.append(f"{result} = {second.name}({values})")
    if w.rng.random() < 0.5:
        lines.append(f"{result} = [{w.expression([x, result])} for {x} in range({w.rng.randint(2, 4)})]")
    return [*lines, f"print({result})"]


def _caught_in_loop(w: Writer) -> list[str]:
    items, item, total, error = w.new(LISTS), w.new(), w.new(NUMBERS), w.new(("error", "e"))
    values = [w.rng.choice([w.number(), str(w.number()), w.word(), 0, None]) for _ in range(w.rng.randint(3, 4))]
    operation = w.pick(f"{total} += {w.number()} // int({item})", f"{total} += int({item}) * 2", f"{total} -= len({item})")
    lines = [
        f"{items} = {values!r}",
        f"{total} = {w.number(0, 9)}",
        f"for {item} in {items}:",
        "    try:",
        f"        {operation}",
    ]
    lines += ["    except ZeroDivisionError:", f"        {total} += 100"]
    kinds = w.pick("(ValueError, TypeError)", "Exception")
    if w.rng.random() < 0.5:
        lines += [f"    except {kinds} as {error}:", f"        {total} -= len(str({error}))"]
    else:
        lines += [f"    except {kinds}:", f"        {total} -= 1"]
    if w.rng.random() < 0.4:
        lines += ["    finally:", f"        {total} += {w.small()}"]
    return [*lines, f"print({total})"]


KINDS: dict[int, tuple[Callable[[Writer], list[str]], ...]] = {
    1: (_straight, _straight, _straight, _calls(1)),
    2: (_branches, _loop, _countdown, _loop_over, _calls(2)),
    3: (_nested_loops, _list_work, _text_work, _calls(3), _calls(3)),
    4: (_dict_work, _dict_loop, _calls(4), _calls(4), _calls(4)),
    5: (_comprehensions, _composed, _caught_in_loop, _calls(5), _calls(5), _calls(5)),
}
