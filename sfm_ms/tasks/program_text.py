"""Reads a program from text, with everything that is wrong with it at once."""

from __future__ import annotations

import ast
import reprlib
from typing import Any

import numpy as np

from sfm_ms.tasks.state_tracking import (
    ACCUMULATE,
    ASSIGN,
    CONDITIONAL,
    COPY,
    KINDS,
    MAX_OPERAND,
    OPERATORS,
    SWAP,
    UPDATE,
    Language,
    Programs,
)

EXAMPLES = ("a = 7", "a = a {} b", "a = b", "a += b", "a, b = b, a", "if a > b: c = d")  # in the order of KINDS
MAX_ERRORS = 10  # that a message tells of
MAX_LENGTH = 100  # of a statement: far more than any has, far less than what Python's parser chokes on
_AST_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


class ProgramTextError(ValueError):
    """The text is no program of the language; the message has one line for each error."""


def parse(text: str, language: Language) -> tuple[Programs, list[int]]:
    """The program and the line (from 1) of each of its statements. Blank lines and comments are passed over.

    Raises ProgramTextError: syntax, an unknown variable, one without a value yet, a number out of range, a kind of
    statement that the family does not have, an empty text.
    """
    statements, line_numbers, errors = [], [], []
    assigned: set[str] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        code = line.split("#")[0].strip()
        if code:
            try:
                statements.append(_statement(code, language, assigned))
                line_numbers.append(number)
            except ProgramTextError as error:
                errors.append(f"line {number}, {reprlib.repr(code)}: {error}")
                assigned.update(code)  # what it may have been meant to assign: one mistake is told once
    if not statements and not errors:
        errors.append(f"the program is empty; expected statements such as {_examples(language)}")
    if len(errors) > MAX_ERRORS:
        errors[MAX_ERRORS:] = [f"and {len(errors) - MAX_ERRORS} more"]
    if errors:
        raise ProgramTextError("\n".join(errors))
    fields = {name: np.array([[statement[name] for statement in statements]]) for name in statements[0]}
    return Programs(language, np.array([len(statements)]), np.array([0]), **fields), line_numbers


def _statement(code: str, language: Language, assigned: set[str]) -> dict[str, Any]:
    """The fields of one statement; adds its target to the variables that have a value."""
    if len(code) > MAX_LENGTH:
        raise _not_of_the_family(language)
    try:
        nodes = ast.parse(code).body
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes, before Python 3.11.4
        raise ProgramTextError(getattr(error, "msg", str(error)).removesuffix(" on line 1")) from None
    names = _Names(language, assigned)
    fields = {"operator": 0, "right_is_variable": True, "left": 0, "than": 0}
    match nodes:
        case [ast.Assign(targets=[ast.Name(id=target)], value=ast.Name(id=right))]:
            fields |= {"kind": COPY, "right": names.known(right), "target": names.index(target)}
        case [ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant() | ast.UnaryOp() as number)]:
            limits = (0, language.num_numbers - 1)
            fields |= {
                "kind": ASSIGN,
                "right": _number(number, *limits),
                "right_is_variable": False,
                "target": names.index(target),
            }
        case [
            ast.Assign(
                targets=[ast.Name(id=target)],
                value=ast.BinOp(left=ast.Name(id=left), op=op, right=ast.Name() | ast.Constant() | ast.UnaryOp() as right),
            )
        ] if target == left and type(op) in _AST_OPERATORS:
            fields |= _update(_AST_OPERATORS[type(op)], right, language, names) | {"target": names.known(target)}
        case [ast.AugAssign(target=ast.Name(id=target), op=ast.Add(), value=ast.Name(id=right))]:
            fields |= {"kind": ACCUMULATE, "right": names.known(right), "target": names.known(target)}
        case [
            ast.Assign(
                targets=[ast.Tuple(elts=[ast.Name(id=a), ast.Name(id=b)])],
                value=ast.Tuple(elts=[ast.Name(id=c), ast.Name(id=d)]),
            )
        ] if (a, b) == (d, c) and a != b:
            fields |= {"kind": SWAP, "right": names.known(b), "target": names.known(a)}
        case [
            ast.If(
                test=ast.Compare(left=ast.Name(id=left), ops=[ast.Gt()], comparators=[ast.Name(id=than)]),
                body=[ast.Assign(targets=[ast.Name(id=target)], value=ast.Name(id=right))],
                orelse=[],
            )
        ]:
            fields |= {"kind": CONDITIONAL, "right": names.known(right), "target": names.known(target)}
            fields |= {"left": names.known(left), "than": names.known(than)}
        case _:
            raise _not_of_the_family(language)
    if fields["kind"] not in (ASSIGN, *language.kinds):
        raise _not_of_the_family(language)
    assigned.add(language.variables[fields["target"]])
    return fields


class _Names:
    """Variables by name: which the language has, which have a value so far."""

    def __init__(self, language: Language, assigned: set[str]):
        self.variables, self.assigned = language.variables, assigned

    def index(self, name: str) -> int:
        if len(name) != 1 or name not in self.variables:
            raise ProgramTextError(f"unknown variable {reprlib.repr(name)}; expected one of {', '.join(self.variables)}")
        return self.variables.index(name)

    def known(self, name: str) -> int:
        index = self.index(name)
        if name not in self.assigned:
            raise ProgramTextError(f"variable '{name}' has no value yet")
        return index


def _update(operator: str, right: ast.expr, language: Language, names: _Names) -> dict[str, Any]:
    if operator not in language.operators:
        raise ProgramTextError(
            f"operator '{operator}' is not of the family {language.family}; expected one of {language.operators}"
        )
    fields = {"kind": UPDATE, "operator": OPERATORS.index(operator)}
    if isinstance(right, ast.Name):
        return fields | {"right": names.known(right.id)}
    limits = (1, min(MAX_OPERAND, language.num_numbers - 1))
    return fields | {"right": _number(right, *limits), "right_is_variable": False}


def _number(node: ast.expr, low: int, high: int) -> int:
    value = node.value if isinstance(node, ast.Constant) else None
    if type(value) is not int or not low <= value <= high:
        raise ProgramTextError(f"expected a whole number from {low} to {high} on the right")
    return value


def _not_of_the_family(language: Language) -> ProgramTextError:
    return ProgramTextError(f"no statement of the family {language.family}; expected {_examples(language)}")


def _examples(language: Language) -> str:
    kinds = [kind for kind in range(len(KINDS)) if kind in (ASSIGN, *language.kinds)]
    return ", ".join(f"`{EXAMPLES[kind].format('|'.join(language.operators))}`" for kind in kinds)
