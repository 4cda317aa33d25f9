"""Runs programs in a subset of Python by walking their syntax tree: the ground truth, never `exec` in this process.

The subset so far: numbers and booleans, arithmetic, comparisons, `and`/`or`/`not`, conditional expressions, assignments
(also `a, b = b, a` and `a += b`), `if`, `while`, `for ... in range(...)`, `break`, `continue`, `pass`. Anything else is
an error that names the construct and its line, never a guess.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Value = int | float | bool

_BINARY = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
}  # fmt: skip
_UNARY = {ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Not: operator.not_, ast.Invert: operator.invert}
_COMPARE = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What a program may use before it is stopped with an error."""

    steps: int = 100_000  # statements and loop turns
    integer_bits: int = 4096


@dataclass(frozen=True)
class Execution:
    """What a program did: its variables at the end, (line, variables after it) for every statement, and its error."""

    variables: dict[str, Value]
    trace: list[tuple[int, dict[str, Value]]]
    error: str | None = None


class ProgramError(Exception):
    """The program is not in the subset, went over a limit or raised; the message is Python's, with the line."""


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


def execute(source: str, *, limits: Limits = Limits(), store: Callable[[Value], Value] | None = None) -> Execution:
    """Run a program. `store` is applied to every value before a variable takes it (a machine that clamps, say)."""
    machine = _Machine(limits, store or (lambda value: value))
    try:
        machine.run(_parse(source, "exec").body)
    except ProgramError as error:
        return Execution(machine.variables, machine.trace, str(error))
    return Execution(machine.variables, machine.trace)


def evaluate(source: str, expression: str, *, limits: Limits = Limits()) -> Value:
    """The value of an expression after a program has run. Raises ProgramError."""
    machine = _Machine(limits, lambda value: value)
    machine.run(_parse(source, "exec").body)
    node = _parse(expression, "eval").body
    with _named(node):
        return machine.value(node)


def _parse(source: str, mode: str) -> Any:
    try:
        return ast.parse(source, mode=mode)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise ProgramError(
            f"{type(error).__name__}: {getattr(error, 'msg', error)}" + (f" (line {line})" if line else "")
        ) from None


@contextmanager
def _named(node: ast.AST) -> Iterator[None]:
    """Turns what Python's own operators raise into a ProgramError with the line."""
    try:
        yield
    except (ArithmeticError, NameError, TypeError, ValueError, RecursionError) as error:
        raise ProgramError(f"{type(error).__name__}: {error} (line {node.lineno})") from None


@dataclass
class _Machine:
    limits: Limits
    store: Callable[[Value], Value]
    variables: dict[str, Value] = field(default_factory=dict)
    trace: list[tuple[int, dict[str, Value]]] = field(default_factory=list)
    steps: int = 0
    loops: int = 0  # around the statement that runs

    def run(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self.step(statement)
            with _named(statement):
                self.execute(statement)

    def step(self, node: ast.stmt) -> None:
        self.steps += 1
        if self.steps > self.limits.steps:
            raise ProgramError(f"StepLimit: more than {self.limits.steps} steps (line {node.lineno})")

    def execute(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=targets):
                value = self.values(node.value)
                for target in targets:
                    self.assign(target, value)
            case ast.AugAssign(target=ast.Name(id=name)):
                self.variables[name] = self.store(self.binary(node.op, self.variable(name), self.value(node.value), node))
            case ast.If():
                self.run(node.body if self.value(node.test) else node.orelse)
                return
            case ast.While() | ast.For(target=ast.Name()):
                self.loop(node)
                return
            case ast.Pass():
                pass
            case ast.Break() | ast.Continue() if not self.loops:
                words = "'break' outside loop" if isinstance(node, ast.Break) else "'continue' not properly in loop"
                raise ProgramError(f"SyntaxError: {words} (line {node.lineno})")
            case ast.Break():
                raise _Break
            case ast.Continue():
                raise _Continue
            case ast.Expr():
                self.value(node.value)
            case _:
                raise self.unsupported(node)
        self.trace.append((node.lineno, dict(self.variables)))

    def loop(self, node: ast.While | ast.For) -> None:
        for _ in self.turns(node):
            self.step(node)
            self.loops += 1
            try:
                self.run(node.body)
            except _Break:
                return
            except _Continue:
                pass
            finally:
                self.loops -= 1
        self.run(node.orelse)

    def turns(self, node: ast.While | ast.For):
        if isinstance(node, ast.While):
            while self.value(node.test):
                yield
            return
        match node.iter:
            case ast.Call(func=ast.Name(id="range"), args=arguments, keywords=[]) if "range" not in self.variables:
                for item in range(*(self.value(argument) for argument in arguments)):
                    self.variables[node.target.id] = self.store(item)
                    yield
            case _:
                raise self.unsupported(node.iter)

    def assign(self, target: ast.expr, value: Any) -> None:
        match target:
            case ast.Name(id=name) if not isinstance(value, tuple):
                self.variables[name] = self.store(value)
            case ast.Tuple(elts=targets) if isinstance(value, tuple) and len(targets) == len(value):
                for each, item in zip(targets, value, strict=True):
                    self.assign(each, item)
            case _:
                raise self.unsupported(target)

    def values(self, node: ast.expr) -> Any:
        """A value, or the tuple on the right of `a, b = b, a`, which only an assignment may hold."""
        return tuple(self.values(item) for item in node.elts) if isinstance(node, ast.Tuple) else self.value(node)

    def value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=bool() | int() | float() as value):
                return value
            case ast.Name(id=name):
                return self.variable(name)
            case ast.BinOp():
                return self.binary(node.op, self.value(node.left), self.value(node.right), node)
            case ast.UnaryOp():
                return _UNARY[type(node.op)](self.value(node.operand))
            case ast.BoolOp():
                return self.boolean(node)
            case ast.Compare():
                return self.comparison(node)
            case ast.IfExp():
                return self.value(node.body if self.value(node.test) else node.orelse)
        raise self.unsupported(node)

    def variable(self, name: str) -> Value:
        if name not in self.variables:
            raise NameError(f"name '{name}' is not defined")
        return self.variables[name]

    def boolean(self, node: ast.BoolOp) -> Value:
        stops_at = isinstance(node.op, ast.Or)
        for item in node.values[:-1]:
            value = self.value(item)
            if bool(value) is stops_at:
                return value
        return self.value(node.values[-1])

    def comparison(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for op, item in zip(node.ops, node.comparators, strict=True):
            if type(op) not in _COMPARE:
                raise self.unsupported(node)
            right = self.value(item)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def binary(self, op: ast.operator, left: Value, right: Value, node: ast.AST) -> Value:
        if type(op) not in _BINARY:
            raise self.unsupported(node)
        if isinstance(op, ast.Pow) and isinstance(left, int) and isinstance(right, int) and right > 0:
            self.check_bits(left.bit_length() * right, node)
        result = _BINARY[type(op)](left, right)
        if isinstance(result, complex):
            raise self.unsupported(node)
        if isinstance(result, int):
            self.check_bits(result.bit_length(), node)
        return result

    def check_bits(self, bits: int, node: ast.AST) -> None:
        if bits > self.limits.integer_bits:
            raise ProgramError(f"IntegerLimit: a number of more than {self.limits.integer_bits} bits (line {node.lineno})")

    def unsupported(self, node: ast.AST) -> ProgramError:
        return ProgramError(f"Unsupported: {type(node).__name__} is not in the subset (line {getattr(node, 'lineno', '?')})")
