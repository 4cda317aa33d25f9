"""Runs programs in a subset of Python by walking their syntax tree: the ground truth, never `exec` in this process.

The subset: numbers, bools, texts, None, lists, tuples, dicts and sets with their common methods; assignments of every kind but
to attributes; `if`, `while`, `for`, `break`, `continue`, `else`; functions, lambdas, closures, recursion; comprehensions and
generator expressions; f-strings; `try`, `raise`, `assert` and the common exceptions; the common built-in functions. Anything else
is an error that names the construct and its line, never a guess. Programs reach only what the tables of interpreter_values.py
list. What goes over a limit or is not in the subset ends the program: no `except` or `finally` of it sees that.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sfm_ms.tasks import interpreter_operators as operators
from sfm_ms.tasks.interpreter_expressions import Expressions
from sfm_ms.tasks.interpreter_limits import Budget, Limits, ProgramError
from sfm_ms.tasks.interpreter_scopes import Function, Scope, bind_arguments
from sfm_ms.tasks.interpreter_syntax import check_syntax
from sfm_ms.tasks.interpreter_values import EXCEPTIONS

__all__ = ["RETURN", "Execution", "Limits", "ProgramError", "evaluate", "execute"]

Value = Any
RETURN = "return"  # the name of what a call gives back among the variables after a `return`: no variable is called so


@dataclass(frozen=True)
class Execution:
    """What a program did.

    variables: those at the end that hold data: numbers, texts and containers of them, not functions, exceptions or iterators.
    trace: (line, variables after it) for every statement that ended and did not raise, in the order of their ends, and for every
        turn of a `for` when its variables have the item. The variables are copies, in a function those of its call, after
        `return` with the value under the name RETURN. Other headers (`if`, `while`, `try` ...), `global`, `nonlocal` have none.
    error: as Python's last line of a traceback, with the line of the program.
    output: what was printed.
    """

    variables: dict[str, Value]
    trace: list[tuple[int, dict[str, Value]]]
    error: str | None = None
    output: str = ""


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class _Return(Exception):
    pass


_CONTROL = (_Break, _Continue, _Return)
_LIMITS = (ProgramError, RecursionError, MemoryError)  # the latter two are the interpreter's own: programs do not see them


def execute(source: str, *, limits: Limits = Limits(), store: Callable[[Value], Value] | None = None) -> Execution:
    """Run a program. `store` is applied to every value that an assignment or `for` gives a variable (a clamp, say)."""
    machine = _Machine(limits, store or (lambda value: value), is_traced=True)
    error = None
    try:
        machine.run_program(_parse(source, "exec").body)
    except ProgramError as caught:
        error = str(caught)
    try:
        variables = operators.data(Budget(limits), machine.scope.values)
    except ProgramError as caught:
        variables, error = {}, error or str(caught)
    return Execution(variables, machine.trace, error, "".join(machine.output))


def evaluate(source: str, expression: str, *, limits: Limits = Limits()) -> Value:
    """The value of an expression after a program has run, which must be data. Raises ProgramError."""
    machine = _Machine(limits, lambda value: value, is_traced=False)
    machine.run_program(_parse(source, "exec").body)
    node = _parse(expression, "eval")
    found: list[Value] = []
    machine.guarded(lambda: found.append(machine.value(node.body, machine.scope)), 1)
    if not operators.is_data(machine.budget, found[0]):
        raise machine.budget.unsupported(f"a result of type {type(found[0]).__name__}")
    return found[0]


def _parse(source: str, mode: str) -> Any:
    try:
        tree = ast.parse(source, mode=mode)
        check_syntax(tree)
        return tree
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise ProgramError(
            f"{type(error).__name__}: {getattr(error, 'msg', error)}" + (f" (line {line})" if line else "")
        ) from None


class _Machine(Expressions):
    """Runs statements in a scope."""

    def __init__(self, limits: Limits, store: Callable[[Value], Value], is_traced: bool):
        super().__init__(Budget(limits))
        self.store, self.is_traced = store, is_traced
        self.scope = Scope()
        self.trace: list[tuple[int, dict[str, Value]]] = []
        self.handled: list[Exception] = []  # by the `except` blocks that run
        self.raised: Exception | None = None  # the last exception of the program, and where it was raised
        self.raised_line = 0

    def run_program(self, body: list[ast.stmt]) -> None:
        self.guarded(lambda: self.run(body, self.scope), 0)

    def guarded(self, action: Callable[[], Any], line: int) -> None:
        """Turns what the program raises and does not catch into a ProgramError with the line."""
        try:
            action()
        except ProgramError:
            raise
        except (RecursionError, MemoryError) as error:
            raise self.too_deep(error) from None
        except Exception as error:
            line = self.raised_line if error is self.raised else line
            words = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise ProgramError(f"{words} (line {line})") from None

    def too_deep(self, error: Exception) -> ProgramError:
        return self.budget.error("DepthLimit", f"{type(error).__name__} of the interpreter itself")

    def run(self, body: list[ast.stmt], scope: Scope) -> None:
        for statement in body:
            self.budget.line = statement.lineno
            self.budget.step()
            handler = _HANDLERS.get(type(statement))
            if handler is None:
                raise self.unsupported(statement)
            try:
                handler(self, statement, scope)
            except (ProgramError, *_CONTROL):
                raise
            except (RecursionError, MemoryError) as error:
                raise self.too_deep(error) from None
            except Exception as error:
                if error is not self.raised:
                    self.raised, self.raised_line = error, statement.lineno
                raise

    def record(self, node: ast.stmt, scope: Scope, **more: Value) -> None:
        if not self.is_traced:
            return
        variables = operators.data(self.budget, scope.values)
        self.trace.append((node.lineno, variables | operators.data(self.budget, more) if more else variables))

    def stored(self, value: Value) -> Value:
        kept = self.store(value)
        return kept.item() if isinstance(kept, np.generic) else kept

    # --- statements ---

    def assignment(self, node: ast.Assign, scope: Scope) -> None:
        value = self.value(node.value, scope)
        for target in node.targets:
            self.assign(target, value, scope)
        self.record(node, scope)

    def augmented(self, node: ast.AugAssign, scope: Scope) -> None:
        match node.target:
            case ast.Name(id=name):
                left = self.value(ast.copy_location(ast.Name(name, ast.Load()), node.target), scope)
                scope.bind(name, self.stored(self.in_place(node, left, scope)))
            case ast.Subscript():
                container = self.value(node.target.value, scope)
                index = self.value(node.target.slice, scope)
                left = operators.subscript(self.budget, container, index)
                self.put(container, index, self.in_place(node, left, scope))
            case _:
                raise self.unsupported(node.target)
        self.record(node, scope)

    def in_place(self, node: ast.AugAssign, left: Value, scope: Scope) -> Value:
        right = self.value(node.value, scope)
        if isinstance(left, list) and isinstance(node.op, ast.Add):
            right = list(self.items(right))
        return operators.binary(self.budget, node.op, left, right, operators.IN_PLACE)

    def delete(self, node: ast.Delete, scope: Scope) -> None:
        for target in node.targets:
            match target:
                case ast.Name(id=name):
                    self.value(ast.copy_location(ast.Name(name, ast.Load()), target), scope)
                    values = scope.find(name)
                    if values is None:
                        raise NameError(f"name '{name}' is not defined")
                    del values[name]
                case ast.Subscript():
                    container = self.value(target.value, scope)
                    index = self.value(target.slice, scope)
                    self.budget.read(*() if isinstance(index, slice) else (index,))
                    del container[index]
                case _:
                    raise self.unsupported(target)
        self.record(node, scope)

    def expression(self, node: ast.Expr, scope: Scope) -> None:
        self.value(node.value, scope)
        self.record(node, scope)

    def pass_(self, node: ast.Pass, scope: Scope) -> None:
        self.record(node, scope)

    def if_(self, node: ast.If, scope: Scope) -> None:
        self.run(node.body if self.value(node.test, scope) else node.orelse, scope)

    def while_(self, node: ast.While, scope: Scope) -> None:
        while self.value(node.test, scope):
            self.budget.step()
            if self.turn(node, scope):
                return
            self.budget.line = node.lineno
        self.run(node.orelse, scope)

    def for_(self, node: ast.For, scope: Scope) -> None:
        for item in self.items(self.value(node.iter, scope)):
            self.budget.line = node.lineno
            self.budget.step()
            self.assign(node.target, item, scope)
            self.record(node, scope)
            if self.turn(node, scope):
                return
        self.run(node.orelse, scope)

    def turn(self, node: ast.While | ast.For, scope: Scope) -> bool:
        """Runs the body of a loop once. Returns whether a `break` ended the loop."""
        try:
            self.run(node.body, scope)
        except _Break:
            return True
        except _Continue:
            pass
        return False

    def leave_turn(self, node: ast.Break | ast.Continue, scope: Scope) -> None:
        self.record(node, scope)
        raise _Break if isinstance(node, ast.Break) else _Continue

    def define(self, node: ast.FunctionDef, scope: Scope) -> None:
        if node.decorator_list or node.returns:
            raise self.budget.unsupported("a decorator" if node.decorator_list else "an annotation")
        for each in ast.walk(node):
            if isinstance(each, ast.Yield | ast.YieldFrom | ast.Await):
                raise self.unsupported(each)
        scope.bind(node.name, self.function(scope.prefix + node.name, node.args, node.body, scope))
        self.record(node, scope)

    def call_function(self, function: Function, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        variables = bind_arguments(function, arguments, keywords)
        scope = Scope(variables, function.scope, function.local, function.elsewhere, f"{function.name}.<locals>.")
        line, handled = self.budget.line, self.handled
        self.budget.enter_call()
        try:
            if not isinstance(function.body, list):
                return self.value(function.body, scope)
            self.run(function.body, scope)
        except _Return as returned:
            return returned.args[0]
        finally:
            self.budget.depth -= 1
            self.budget.line, self.handled = line, handled
        return None

    def return_(self, node: ast.Return, scope: Scope) -> None:
        value = None if node.value is None else self.value(node.value, scope)
        self.record(node, scope, **{RETURN: value})
        raise _Return(value)

    def declare(self, node: ast.Global | ast.Nonlocal, scope: Scope) -> None:
        """Nothing is left to do: functions know their names when they are defined."""

    def raise_(self, node: ast.Raise, scope: Scope) -> None:
        if node.exc is None:
            if not self.handled:
                raise RuntimeError("No active exception to reraise")
            raise self.handled[-1]
        error = self.value(node.exc, scope)
        if node.cause is not None:
            cause = self.value(node.cause, scope)
            if cause is not None and not isinstance(cause, Exception) and cause not in EXCEPTIONS.values():
                raise TypeError("exception causes must derive from BaseException")
        if isinstance(error, type) and issubclass(error, Exception):
            error = error()
        if not isinstance(error, Exception):
            raise TypeError("exceptions must derive from BaseException")
        if error is self.raised:
            self.raised = None  # raised anew, here
        raise error

    def assert_(self, node: ast.Assert, scope: Scope) -> None:
        if not self.value(node.test, scope):
            raise AssertionError(*() if node.msg is None else (self.value(node.msg, scope),))
        self.record(node, scope)

    def try_(self, node: ast.Try, scope: Scope) -> None:
        try:
            self.run_and_catch(node, scope)
        except _LIMITS:
            raise
        except Exception:  # of the program, or a `break`, `continue`, `return`: goes on after the block
            self.run(node.finalbody, scope)
            raise
        self.run(node.finalbody, scope)

    def run_and_catch(self, node: ast.Try, scope: Scope) -> None:
        try:
            self.run(node.body, scope)
        except (*_LIMITS, *_CONTROL):
            raise
        except Exception as error:
            handler = self.handler_of(error, node.handlers, scope)
            if handler is None:
                raise
            caught = error.with_traceback(None)  # which would keep the interpreter's own frames alive
        else:
            self.run(node.orelse, scope)
            return
        self.handle(handler, caught, scope)

    def handler_of(self, error: Exception, handlers: list[ast.ExceptHandler], scope: Scope) -> ast.ExceptHandler | None:
        for handler in handlers:
            if handler.type is None:
                return handler
            kinds = self.value(handler.type, scope)
            listed = kinds if isinstance(kinds, tuple) else (kinds,)
            if any(kind not in EXCEPTIONS.values() for kind in listed):
                raise TypeError("catching classes that do not inherit from BaseException is not allowed")
            if isinstance(error, listed):
                return handler
        return None

    def handle(self, handler: ast.ExceptHandler, error: Exception, scope: Scope) -> None:
        self.handled = [*self.handled, error]
        if handler.name is not None:
            scope.bind(handler.name, error)
        try:
            self.run(handler.body, scope)
        finally:
            self.handled = self.handled[:-1]
            if handler.name is not None:
                values = scope.elsewhere.get(handler.name, scope).values
                values.pop(handler.name, None)


_HANDLERS = {
    ast.Assign: _Machine.assignment, ast.AugAssign: _Machine.augmented, ast.Delete: _Machine.delete,
    ast.Expr: _Machine.expression, ast.Pass: _Machine.pass_, ast.If: _Machine.if_, ast.While: _Machine.while_,
    ast.For: _Machine.for_, ast.Break: _Machine.leave_turn, ast.Continue: _Machine.leave_turn,
    ast.FunctionDef: _Machine.define, ast.Return: _Machine.return_, ast.Global: _Machine.declare,
    ast.Nonlocal: _Machine.declare, ast.Raise: _Machine.raise_, ast.Assert: _Machine.assert_, ast.Try: _Machine.try_,
}  # fmt: skip
