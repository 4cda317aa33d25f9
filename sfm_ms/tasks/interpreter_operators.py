"""Operators, comparisons and texts of values: Python's own, after the budget has paid for what they will make and read."""

from __future__ import annotations

import ast
import operator
import re
import string
from typing import Any

from sfm_ms.tasks.interpreter_limits import SCALARS, VIEWS, Budget, width
from sfm_ms.tasks.interpreter_scopes import Function, Method

BINARY = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.LShift: operator.lshift,
    ast.RShift: operator.rshift, ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
}  # fmt: skip
IN_PLACE = {
    ast.Add: operator.iadd, ast.Sub: operator.isub, ast.Mult: operator.imul, ast.Div: operator.itruediv,
    ast.FloorDiv: operator.ifloordiv, ast.Mod: operator.imod, ast.Pow: operator.ipow, ast.LShift: operator.ilshift,
    ast.RShift: operator.irshift, ast.BitAnd: operator.iand, ast.BitOr: operator.ior, ast.BitXor: operator.ixor,
}  # fmt: skip
UNARY = {ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Not: operator.not_, ast.Invert: operator.invert}
COMPARE = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
SEQUENCES = (str, list, tuple)
DATA = frozenset({*SCALARS, str, list, tuple, dict, set, frozenset, range})
TEXTS = DATA | {*VIEWS}
_IDENTITIES = (bool, type(None), list, dict, set)  # of others, `is` says how Python keeps them and not what they are


def binary(budget: Budget, op: ast.operator, left: Any, right: Any, table: dict = BINARY) -> Any:
    """left op right; with the table IN_PLACE, a list or set on the left is changed as by `+=`."""
    if type(op) not in table:
        raise budget.unsupported(type(op).__name__)
    if not (type(left) in SCALARS and type(right) in SCALARS):
        _pay_for_containers(budget, op, left, right)
    elif type(op) in (ast.Pow, ast.LShift) and isinstance(left, int) and isinstance(right, int) and right > 0 and left:
        grows = right if isinstance(op, ast.LShift) else (abs(left).bit_length() - 1) * right
        budget.check_bits(abs(left).bit_length() if grows == 0 else grows + 1)
    result = table[type(op)](left, right)
    if isinstance(result, complex):
        raise budget.unsupported("a complex number")
    check_number(budget, result)
    return result


def check_number(budget: Budget, value: Any) -> None:
    if isinstance(value, int) and not -(2**62) < value < 2**62:
        budget.check_bits(value.bit_length())
        budget.pay(value.bit_length() // 64)


def _pay_for_containers(budget: Budget, op: ast.operator, left: Any, right: Any) -> None:
    for sequence, number in ((left, right), (right, left)):
        if isinstance(op, ast.Mult) and isinstance(sequence, SEQUENCES) and isinstance(number, int):
            budget.pay(max(number, 0) * (len(sequence) // 8 + 1 if isinstance(sequence, str) else len(sequence)))
            return
    if isinstance(op, ast.Mod) and isinstance(left, str):
        if re.search(r"%[^a-zA-Z%]*\*", left):
            raise budget.unsupported("a width from the values of `%`")
        pay_for_widths(budget, left)
        check_text(budget, right)
    budget.pay(width(left) + width(right))


def pay_for_widths(budget: Budget, specification: str) -> None:
    """Of a format: `f"{1:1000000000}"` needs as many characters."""
    for digits in re.findall(r"\d+", specification):
        budget.pay(int(digits) if len(digits) < 16 else budget.limits.cells + 1)


def compare(budget: Budget, op: ast.cmpop, left: Any, right: Any, items: Any) -> Any:
    """items: the function that iterates over a value and pays for it."""
    if isinstance(op, ast.In | ast.NotIn):
        return contains(budget, right, left, items) is isinstance(op, ast.In)
    if isinstance(op, ast.Is | ast.IsNot):
        if type(left) not in _IDENTITIES and type(right) not in _IDENTITIES:
            raise budget.unsupported("`is` between values that are not None, bools or containers")
        return (left is right) is isinstance(op, ast.Is)
    if type(left) not in SCALARS or type(right) not in SCALARS:
        budget.read(left, right)
        if isinstance(left, Method) and isinstance(right, Method):
            raise budget.unsupported("a comparison of methods")
    return COMPARE[type(op)](left, right)


def contains(budget: Budget, container: Any, value: Any, items: Any) -> bool:
    kind = type(container)
    budget.read(value)
    if kind in (list, tuple, VIEWS[1]):
        budget.read(container)
    elif kind is str:
        budget.pay(len(container))
    elif kind not in (dict, set, frozenset, VIEWS[0], VIEWS[2]) and not (kind is range and type(value) is int):
        return any(
            each is value or each == value
            for each in items(container, otherwise=f"argument of type '{kind.__name__}' is not iterable")
        )
    return value in container


def subscript(budget: Budget, container: Any, index: Any) -> Any:
    if isinstance(container, type):
        raise budget.unsupported("a subscript of a type")
    if isinstance(index, slice):
        if isinstance(container, SEQUENCES):
            budget.pay(width(container))
    else:
        budget.read(index)
    return container[index]


# --- texts ---


def text(budget: Budget, value: Any, conversion: Any = str) -> str:
    """str(value), or repr or ascii."""
    if type(value) is not str:
        check_text(budget, value)
    elif conversion is not str:
        budget.pay(len(value))
    return conversion(value)


def check_text(budget: Budget, value: Any) -> None:
    """Pays for the text of a value. An error where the text is not a function of the program: addresses, order of sets."""
    for each in budget.walk(value):
        kind = type(each)
        if kind is set or kind is frozenset:
            check_order(budget, each)
        elif kind not in TEXTS and not isinstance(each, type | BaseException):
            raise budget.unsupported(f"the text of a value of type {kind.__name__}")
    budget.pay(1)


def check_order(budget: Budget, values: set | frozenset) -> None:
    """In which order a set gives its elements depends on hashes, and only those of numbers are the same everywhere."""
    for each in (*budget.walk(*values), tuple(values)):
        if type(each) is not tuple:
            raise budget.unsupported(f"the order of a set of {type(each).__name__}")
        if len(values) > 1 and any(item is None for item in each):  # whose hash is an address
            raise budget.unsupported("the order of a set with None")


def formatted(budget: Budget, value: Any, specification: str) -> str:
    if not specification:
        return text(budget, value)
    pay_for_widths(budget, specification)
    if isinstance(value, Function | Method):
        raise budget.unsupported(f"the text of a value of type {type(value).__name__}")
    budget.read(value)
    return format(value, specification)


def format_template(budget: Budget, template: str, arguments: list[Any], keywords: dict[str, Any]) -> str:
    """template.format(...), of which the fields may be numbers and names only: no attributes, no subscripts."""
    for _, name, specification, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if not re.fullmatch(r"\w*", name) or "{" in specification:
            raise budget.unsupported(f"the format field {name!r}")
        if conversion not in (None, "s", "r"):
            raise budget.unsupported(f"the conversion !{conversion}")
        pay_for_widths(budget, specification)
    budget.pay(len(template))
    for value in (*arguments, *keywords.values()):
        check_text(budget, value)
        budget.pay(width(value) * template.count("{"))
    return template.format(*arguments, **keywords)


# --- copies ---


def data(budget: Budget, variables: dict[str, Any]) -> dict[str, Any]:
    """Copies of the variables that hold data: numbers, texts and containers of them, but no functions, errors or iterators."""
    budget.pay(len(variables))
    copies: dict[int, Any] = {}
    made = {}
    for name, value in variables.items():
        if type(value) in SCALARS or type(value) is str:
            made[name] = value
        elif is_data(budget, value):
            made[name] = copied(value, copies)
    return made


def is_data(budget: Budget, value: Any) -> bool:
    return type(value) in DATA and all(type(each) in DATA for each in budget.walk(value))


def copied(value: Any, copies: dict[int, Any]) -> Any:
    """copies: of the containers that were met so far, by id; what stands in a value twice is copied once."""
    kind = type(value)
    if kind not in (list, tuple, dict, set):
        return value
    if id(value) not in copies:
        if kind is dict:
            copies[id(value)] = {key: copied(each, copies) for key, each in value.items()}
        else:
            copies[id(value)] = kind([copied(each, copies) for each in value])
    return copies[id(value)]
