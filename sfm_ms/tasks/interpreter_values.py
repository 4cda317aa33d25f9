"""Built-in functions and methods that programs may use: Python's own, after the budget has paid for them.

Whatever is not in these tables cannot be called. `machine` is the interpreter: `machine.budget`, `machine.items(value)`, which
iterates over a value and pays for each item, and `machine.call(function, arguments, keywords)`.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from typing import Any

from sfm_ms.tasks.interpreter_limits import SCALARS, Budget, width
from sfm_ms.tasks.interpreter_operators import (
    binary,
    check_number,
    check_order,
    format_template,
    formatted,
    text,
)
from sfm_ms.tasks.interpreter_scopes import Function, Method

EXCEPTIONS = {
    kind.__name__: kind
    for kind in (
        Exception, ArithmeticError, ZeroDivisionError, OverflowError, LookupError, IndexError, KeyError, ValueError, TypeError,
        NameError, UnboundLocalError, AttributeError, AssertionError, RuntimeError, NotImplementedError, StopIteration,
    )
}  # fmt: skip
_TYPES = (int, float, bool, str, list, tuple, dict, set, frozenset, range, type(None), *EXCEPTIONS.values())

# Methods that pay for their arguments and, the second of a pair, for all that is in the value itself.
_METHODS: dict[type, tuple[str, str]] = {
    str: (
        "isalpha isdigit isalnum isspace isupper islower istitle isnumeric isdecimal isidentifier startswith endswith",
        "upper lower title capitalize swapcase casefold strip lstrip rstrip split rsplit splitlines find rfind index rindex "
        "count partition rpartition removeprefix removesuffix",
    ),
    list: ("append insert pop clear", "index count remove reverse copy"),
    tuple: ("", "index count"),
    dict: ("get pop popitem setdefault keys values items clear", "copy"),
    set: ("add remove discard clear", "copy"),
    frozenset: ("", "copy"),
    int: ("bit_length bit_count", ""),
    bool: ("bit_length bit_count", ""),
    float: ("is_integer", ""),
}
METHODS = {kind: dict.fromkeys(a.split(), False) | dict.fromkeys(b.split(), True) for kind, (a, b) in _METHODS.items()}
_SET_METHODS = (
    "union", "intersection", "difference", "symmetric_difference", "update", "intersection_update", "difference_update",
    "symmetric_difference_update", "issubset", "issuperset", "isdisjoint",
)  # fmt: skip


def call_method(machine: Any, owner: Any, name: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    check_method(machine.budget, owner, name)
    special = SPECIAL_METHODS.get((type(owner), name))
    if special is not None:
        result = _handled(special, name, machine, owner, *arguments, **keywords)
    else:
        machine.budget.read(*arguments, *keywords.values())
        if METHODS[type(owner)][name]:
            machine.budget.pay(len(owner) if isinstance(owner, str) else 0)
            machine.budget.read(owner)
        result = getattr(owner, name)(*arguments, **keywords)
    check_number(machine.budget, result)
    machine.budget.pay(width(result))
    return result


def check_method(budget: Budget, owner: Any, name: str) -> None:
    """AttributeError where Python raises it too; Unsupported where Python has what the tables lack."""
    kind = type(owner)
    if name in METHODS.get(kind, ()) or (kind, name) in SPECIAL_METHODS:
        return
    if name.startswith("_") or kind not in _TYPES or hasattr(kind, name):
        raise budget.unsupported(f"attribute {name!r} of {kind.__name__}")
    raise AttributeError(f"'{kind.__name__}' object has no attribute '{name}'")


def _join(machine: Any, separator: str, values: Any) -> str:
    parts = list(machine.items(values, otherwise="can only join an iterable"))
    machine.budget.pay(sum(width(part) + 1 for part in parts) + len(parts) * width(separator))
    return separator.join(parts)


def _replace(machine: Any, owner: str, old: str, new: str, count: int = -1) -> str:
    machine.budget.pay(len(owner))
    if isinstance(old, str) and isinstance(new, str):
        machine.budget.pay(owner.count(old) * (width(new) + 1))
    return owner.replace(old, new, count)


def _padded(name: str) -> Callable:
    def method(machine: Any, owner: str, columns: int, *fill: str) -> str:
        if isinstance(columns, int):
            machine.budget.pay(max(columns, len(owner)))
        return getattr(owner, name)(columns, *fill)

    return method


def _format(machine: Any, owner: str, /, *arguments: Any, **keywords: Any) -> str:
    return format_template(machine.budget, owner, list(arguments), keywords)


def _extend(machine: Any, owner: list, values: Any) -> None:
    owner.extend(list(machine.items(values)))


def _sort(machine: Any, owner: list, *, key: Any = None, reverse: Any = False) -> None:
    _pay_for_sorting(machine.budget, owner)
    owner.sort(key=_as_key(machine, key), reverse=reverse)


def _pop_any(machine: Any, owner: set) -> Any:
    check_order(machine.budget, owner)
    return owner.pop()


def _update(machine: Any, owner: dict, /, *values: Any, **keywords: Any) -> None:
    owner.update(*(_pairs(machine, value) for value in values), **keywords)


def _of_sets(name: str) -> Callable:
    def method(machine: Any, owner: set, *others: Any) -> Any:
        machine.budget.read(owner)
        lists = [list(machine.items(other, is_ordered=False)) for other in others]
        machine.budget.read(*lists)
        return getattr(owner, name)(*lists)

    return method


SPECIAL_METHODS: dict[tuple[type, str], Callable] = {
    (str, "join"): _join, (str, "replace"): _replace, (str, "format"): _format,
    **{(str, name): _padded(name) for name in ("ljust", "rjust", "center", "zfill")},
    (list, "extend"): _extend, (list, "sort"): _sort, (dict, "update"): _update, (set, "pop"): _pop_any,
    **{(kind, name): _of_sets(name) for kind in (set, frozenset) for name in _SET_METHODS if hasattr(kind, name)},
}  # fmt: skip


# --- built-in functions ---


def _pairs(machine: Any, value: Any) -> Any:
    """What `dict` and `update` take, read within the budget."""
    if isinstance(value, dict):
        machine.budget.pay(width(value))
        return value
    pairs = list(machine.items(value))
    machine.budget.read(pairs)
    return pairs


def _as_key(machine: Any, function: Any) -> Callable | None:
    if function is None:
        return None

    def key(value: Any) -> Any:
        result = machine.call(function, [value], {})
        machine.budget.read(result)
        return result

    return key


def _pay_for_sorting(budget: Budget, values: list) -> None:
    before = budget.cells
    budget.read(values)
    budget.pay((budget.cells - before) * len(values).bit_length())  # about as often as sorting compares each of them


def _sorted(machine: Any, values: Any, *, key: Any = None, reverse: Any = False) -> list:
    taken = list(machine.items(values, is_ordered=key is not None))
    _pay_for_sorting(machine.budget, taken)
    return sorted(taken, key=_as_key(machine, key), reverse=reverse)


def _extreme(function: Callable) -> Callable:
    def extreme(machine: Any, *arguments: Any, **keywords: Any) -> Any:
        if len(arguments) == 1:
            arguments = (list(machine.items(arguments[0], is_ordered="key" in keywords)),)
        machine.budget.read(*arguments)
        if keywords.get("key") is not None:
            keywords["key"] = _as_key(machine, keywords["key"])
        return function(*arguments, **keywords)

    return extreme


def _sum(machine: Any, values: Any, start: Any = 0) -> Any:
    taken = list(machine.items(values, is_ordered=False))
    if isinstance(start, str) or all(type(value) in SCALARS for value in (start, *taken)):
        return sum(taken, start)
    total = start
    for value in taken:
        total = binary(machine.budget, ast.Add(), total, value)
    return total


def _round(machine: Any, number: Any, digits: Any = None) -> Any:
    if isinstance(number, int) and isinstance(digits, int):
        machine.budget.check_bits(4 * max(-digits, 0))
    return round(number, digits) if digits is not None else round(number)


def _pow(machine: Any, base: Any, exponent: Any, modulus: Any = None) -> Any:
    if modulus is None:
        return binary(machine.budget, ast.Pow(), base, exponent)
    return pow(base, exponent, modulus)


def _print(machine: Any, *values: Any, sep: Any = " ", end: Any = "\n") -> None:
    words = [text(machine.budget, value) for value in values]
    for name, value in (("sep", sep), ("end", end)):
        if not isinstance(value, str | None):
            raise TypeError(f"{name} must be None or a string, not {type(value).__name__}")
    line = (" " if sep is None else sep).join(words) + ("\n" if end is None else end)
    machine.budget.pay(len(line) // 8 + 1)
    machine.output.append(line)


def _type(machine: Any, value: Any) -> type:
    if type(value) not in _TYPES:
        raise machine.budget.unsupported(f"the type of a value of type {type(value).__name__}")
    return type(value)


def _isinstance(machine: Any, value: Any, kinds: Any) -> bool:
    if isinstance(value, Function | Method):
        raise machine.budget.unsupported(f"the type of a value of type {type(value).__name__}")
    return isinstance(value, kinds)


def _lazy(function: Callable) -> Callable:
    """map and filter."""

    def made(machine: Any, called: Any, *iterables: Any) -> Any:
        iterators = [machine.items(each) for each in iterables]
        if called is None:
            return function(None, *iterators)
        return function(lambda *arguments: machine.call(called, list(arguments), {}), *iterators)

    return made


def _over_items(function: Callable, is_ordered: bool) -> Callable:
    """A function whose first argument is iterable, and which may be called without it."""

    def called(machine: Any, *arguments: Any, **keywords: Any) -> Any:
        first = [machine.items(each, is_ordered=is_ordered) for each in arguments[:1]]
        result = function(*first, *arguments[1:], **keywords)
        if isinstance(result, set | frozenset | tuple | list):
            machine.budget.read(result)
        return result

    return called


def _zip(machine: Any, *iterables: Any, strict: Any = False) -> Any:
    return zip(*(machine.items(each) for each in iterables), strict=strict)


def _reversed(machine: Any, value: Any) -> Any:
    return reversed(value)


def _dict(machine: Any, /, *values: Any, **keywords: Any) -> dict:
    return dict(*(_pairs(machine, value) for value in values), **keywords)


def _text_of(conversion: Callable) -> Callable:
    def made(machine: Any, *values: Any) -> str:
        return text(machine.budget, values[0], conversion) if len(values) == 1 else conversion(*values)

    return made


def _format_value(machine: Any, value: Any, specification: str = "") -> str:
    return formatted(machine.budget, value, specification)


def _plain(function: Callable) -> Callable:
    """A function of numbers, texts or lengths, that does no more than read its arguments."""

    def called(machine: Any, *arguments: Any, **keywords: Any) -> Any:
        machine.budget.pay(sum(len(each) for each in arguments if isinstance(each, str)))
        return function(*arguments, **keywords)

    return called


def _exception(kind: type[Exception]) -> Callable:
    return lambda machine, *arguments: kind(*arguments)


_HANDLERS: dict[str, Callable] = {
    **{f.__name__: _plain(f) for f in (len, abs, divmod, int, float, bool, range, chr, ord, bin, hex, oct, next)},
    **{f.__name__: _over_items(f, True) for f in (list, tuple, enumerate)},
    **{f.__name__: _over_items(f, False) for f in (set, frozenset, any, all)},
    "sum": _sum, "min": _extreme(min), "max": _extreme(max), "sorted": _sorted, "reversed": _reversed, "zip": _zip,
    "map": _lazy(map), "filter": _lazy(filter), "round": _round, "pow": _pow, "print": _print, "type": _type, "dict": _dict,
    "isinstance": _isinstance, "str": _text_of(str), "repr": _text_of(repr), "format": _format_value,
    "iter": lambda machine, value: machine.items(value),
    **{name: _exception(kind) for name, kind in EXCEPTIONS.items()},
}  # fmt: skip
NATIVE = {name: getattr(builtins, name) for name in _HANDLERS}  # what the name of a function is a value of
_BY_NATIVE = {NATIVE[name]: handler for name, handler in _HANDLERS.items()}


def call_native(machine: Any, function: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """Calls what NATIVE has. TypeError for a value that cannot be called."""
    handler = _BY_NATIVE.get(function) if isinstance(function, type) or callable(function) else None
    if handler is None:
        if callable(function):
            raise machine.budget.unsupported(f"a call of {function!r}")
        raise TypeError(f"'{type(function).__name__}' object is not callable")
    result = _handled(handler, function.__name__, machine, *arguments, **keywords)
    check_number(machine.budget, result)
    machine.budget.pay(width(result))
    return result


def _handled(handler: Callable, called: str, machine: Any, /, *arguments: Any, **keywords: Any) -> Any:
    """Calls a function of these tables. Where the arguments do not fit it, Python's words would be about the wrong function."""
    try:
        return handler(machine, *arguments, **keywords)
    except TypeError as error:
        if error.__traceback__.tb_next is None:  # raised by the call itself, not inside
            raise machine.budget.unsupported(f"a call of {called} with these arguments") from None
        raise
