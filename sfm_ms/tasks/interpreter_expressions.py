"""The part of the interpreter that finds the values of expressions."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from typing import Any

from sfm_ms.tasks import interpreter_operators as operators
from sfm_ms.tasks.interpreter_limits import Budget
from sfm_ms.tasks.interpreter_scopes import Function, Method, Scope, all_parameters, bound_names
from sfm_ms.tasks.interpreter_values import NATIVE, call_method, call_native, check_method

_CONSTANTS = (bool, int, float, str, type(None))
_CONVERSIONS = {-1: str, ord("s"): str, ord("r"): repr, ord("a"): ascii}


class Expressions:
    """Values of expressions in a scope. A subclass runs functions: `call_function`."""

    def __init__(self, budget: Budget):
        self.budget = budget
        self.output: list[str] = []  # what was printed

    def value(self, node: ast.expr, scope: Scope) -> Any:
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise self.unsupported(node)
        return handler(self, node, scope)

    def constant(self, node: ast.Constant, scope: Scope) -> Any:
        if not isinstance(node.value, _CONSTANTS):
            raise self.budget.unsupported(f"a constant of type {type(node.value).__name__}")
        operators.check_number(self.budget, node.value)
        return node.value

    def name(self, node: ast.Name, scope: Scope) -> Any:
        values = scope.find(node.id)
        if values is not None:
            return values[node.id]
        if node.id in NATIVE:
            return NATIVE[node.id]
        if hasattr(builtins, node.id):
            raise self.budget.unsupported(node.id)
        raise NameError(f"name '{node.id}' is not defined")

    def binary(self, node: ast.BinOp, scope: Scope) -> Any:
        return operators.binary(self.budget, node.op, self.value(node.left, scope), self.value(node.right, scope))

    def unary(self, node: ast.UnaryOp, scope: Scope) -> Any:
        return operators.UNARY[type(node.op)](self.value(node.operand, scope))

    def boolean(self, node: ast.BoolOp, scope: Scope) -> Any:
        stops_at = isinstance(node.op, ast.Or)
        for item in node.values[:-1]:
            value = self.value(item, scope)
            if bool(value) is stops_at:
                return value
        return self.value(node.values[-1], scope)

    def comparison(self, node: ast.Compare, scope: Scope) -> Any:
        left, result = self.value(node.left, scope), True
        for op, item in zip(node.ops, node.comparators, strict=True):
            right = self.value(item, scope)
            result = operators.compare(self.budget, op, left, right, self.items)
            if not result:
                return result
            left = right
        return result

    def conditional(self, node: ast.IfExp, scope: Scope) -> Any:
        return self.value(node.body if self.value(node.test, scope) else node.orelse, scope)

    def walrus(self, node: ast.NamedExpr, scope: Scope) -> Any:
        value = self.value(node.value, scope)
        scope.statement_scope().bind(node.target.id, value)
        return value

    # --- containers ---

    def elements(self, nodes: list[ast.expr], scope: Scope, is_call: bool = False) -> list[Any]:
        values: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                value = self.value(node.value, scope)
                if is_call and not hasattr(type(value), "__iter__"):
                    raise self.budget.unsupported("a call with * of what cannot be iterated over")
                words = f"Value after * must be an iterable, not {type(value).__name__}"
                values.extend(self.items(value, otherwise=words))
            else:
                values.append(self.value(node, scope))
        self.budget.pay(len(values) + 1)
        return values

    def list_display(self, node: ast.List, scope: Scope) -> list:
        return self.elements(node.elts, scope)

    def tuple_display(self, node: ast.Tuple, scope: Scope) -> tuple:
        return tuple(self.elements(node.elts, scope))

    def set_display(self, node: ast.Set, scope: Scope) -> set:
        values = self.elements(node.elts, scope)
        self.budget.read(values)
        return set(values)

    def dict_display(self, node: ast.Dict, scope: Scope) -> dict:
        made: dict[Any, Any] = {}
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            if key_node is None:
                other = self.value(value_node, scope)
                if not isinstance(other, dict):
                    raise TypeError(f"'{type(other).__name__}' object is not a mapping")
                self.budget.pay(8 * len(other))
                made.update(other)
                continue
            key = self.value(key_node, scope)
            value = self.value(value_node, scope)
            self.budget.pay(8)
            self.budget.read(key)
            made[key] = value
        return made

    def subscript(self, node: ast.Subscript, scope: Scope) -> Any:
        container = self.value(node.value, scope)
        return operators.subscript(self.budget, container, self.value(node.slice, scope))

    def slice_(self, node: ast.Slice, scope: Scope) -> slice:
        return slice(*(None if each is None else self.value(each, scope) for each in (node.lower, node.upper, node.step)))

    def items(self, value: Any, *, is_ordered: bool = True, otherwise: str = "") -> Iterator[Any]:
        """Iterates and pays for each item.

        is_ordered: the order of a set's elements matters to the program. otherwise: what the TypeError says where the value
        cannot be iterated over, if not what it says in most places.
        """
        if is_ordered and isinstance(value, set | frozenset):
            operators.check_order(self.budget, value)
        try:
            return self._paid(iter(value))
        except TypeError as error:
            raise TypeError(otherwise or str(error)) from None

    def _paid(self, iterator: Iterator[Any]) -> Iterator[Any]:
        for item in iterator:
            self.budget.pay(1)
            yield item

    # --- comprehensions ---

    def list_comprehension(self, node: ast.ListComp, scope: Scope) -> list:
        return list(self.generator(node, scope))

    def set_comprehension(self, node: ast.SetComp, scope: Scope) -> set:
        made = set()
        for value in self.generator(node, scope):
            self.budget.pay(8)
            self.budget.read(value)
            made.add(value)
        return made

    def dict_comprehension(self, node: ast.DictComp, scope: Scope) -> dict:
        made = {}
        for inner in self.turns(node.generators, self.comprehension_scope(node, scope), self.first_items(node, scope)):
            key = self.value(node.key, inner)
            value = self.value(node.value, inner)
            self.budget.pay(8)
            self.budget.read(key)
            made[key] = value
        return made

    def generator(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, scope: Scope) -> Iterator[Any]:
        turns = self.turns(node.generators, self.comprehension_scope(node, scope), self.first_items(node, scope))
        return (self.value(node.elt, inner) for inner in turns)

    def first_items(self, node: Any, scope: Scope) -> Iterator[Any]:
        """Of the first `for`: found outside of the comprehension's scope, and at once."""
        return self.items(self.value(node.generators[0].iter, scope))

    def comprehension_scope(self, node: Any, scope: Scope) -> Scope:
        targets = [each for generator in node.generators for each in ast.walk(generator.target) if isinstance(each, ast.Name)]
        local = frozenset(each.id for each in targets if isinstance(each.ctx, ast.Store))
        return Scope(parent=scope, local=local, prefix=scope.prefix, is_comprehension=True)

    def turns(self, generators: list[ast.comprehension], scope: Scope, items: Iterator[Any]) -> Iterator[Scope]:
        first, *others = generators
        if first.is_async:
            raise self.budget.unsupported("an asynchronous comprehension")
        for item in items:
            self.budget.step()
            self.assign(first.target, item, scope)
            if not all(self.value(test, scope) for test in first.ifs):
                continue
            if others:
                yield from self.turns(others, scope, self.items(self.value(others[0].iter, scope)))
            else:
                yield scope

    # --- functions, methods, texts ---

    def lambda_(self, node: ast.Lambda, scope: Scope) -> Function:
        return self.function(f"{scope.prefix}<lambda>", node.args, node.body, scope)

    def function(self, name: str, parameters: ast.arguments, body: Any, scope: Scope) -> Function:
        for each in all_parameters(parameters):
            if each.annotation is not None:
                raise self.budget.unsupported("an annotation")
        defaults = [self.value(each, scope) for each in parameters.defaults]
        names = zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True)
        named = {parameter.arg: self.value(default, scope) for parameter, default in names if default is not None}
        local, declared = bound_names(body, parameters)
        elsewhere = {}
        for other, is_nonlocal in declared.items():
            owner = scope.enclosing(other) if is_nonlocal else scope.module()
            if owner is None:
                raise self.budget.error("SyntaxError", f"no binding for nonlocal '{other}' found")
            elsewhere[other] = owner
        return Function(name, parameters, body, scope, defaults, named, local, elsewhere)

    def call_expression(self, node: ast.Call, scope: Scope) -> Any:
        function = self.value(node.func, scope)
        arguments = self.elements(node.args, scope, is_call=True)
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value, scope)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            elif isinstance(value, dict) and all(isinstance(name, str) for name in value) and not keywords.keys() & value.keys():
                keywords.update(value)
            else:
                raise self.budget.unsupported("** of a value that gives no new keywords")
        return self.call(function, arguments, keywords)

    def call(self, function: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        if isinstance(function, Function):
            return self.call_function(function, arguments, keywords)
        if isinstance(function, Method):
            return call_method(self, function.owner, function.name, arguments, keywords)
        return call_native(self, function, arguments, keywords)

    def attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        owner = self.value(node.value, scope)
        if isinstance(owner, BaseException) and node.attr == "args":
            return owner.args
        check_method(self.budget, owner, node.attr)
        return Method(owner, node.attr)

    def joined(self, node: ast.JoinedStr, scope: Scope) -> str:
        parts = []
        for part in node.values:
            parts.append(part.value if isinstance(part, ast.Constant) else self.value(part, scope))
            self.budget.pay(len(parts[-1]) // 8)
        return "".join(parts)

    def formatted(self, node: ast.FormattedValue, scope: Scope) -> str:
        value = self.value(node.value, scope)
        if node.conversion != -1:
            value = operators.text(self.budget, value, _CONVERSIONS[node.conversion])
        specification = "" if node.format_spec is None else self.value(node.format_spec, scope)
        return operators.formatted(self.budget, value, specification)

    # --- targets ---

    def assign(self, target: ast.expr, value: Any, scope: Scope) -> None:
        match target:
            case ast.Name(id=name):
                scope.bind(name, self.stored(value))
            case ast.Subscript():
                container = self.value(target.value, scope)
                self.put(container, self.value(target.slice, scope), value)
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                for each, item in zip(targets, self.unpacked(targets, value), strict=True):
                    self.assign(each.value if isinstance(each, ast.Starred) else each, item, scope)
            case _:
                raise self.unsupported(target)

    def stored(self, value: Any) -> Any:
        """What a variable takes when a value is assigned to it."""
        return value

    def put(self, container: Any, index: Any, value: Any) -> None:
        if isinstance(container, type):
            raise self.budget.unsupported("an assignment to a subscript of a type")
        if isinstance(container, list) and isinstance(index, slice):
            self.budget.pay(len(container))
            value = list(self.items(value, otherwise="can only assign an iterable"))
        else:
            self.budget.pay(8)
            self.budget.read(index)
        container[index] = value

    def unpacked(self, targets: list[ast.expr], value: Any) -> list[Any]:
        """One value for each target: a list for that with a star."""
        items = self.items(value, otherwise=f"cannot unpack non-iterable {type(value).__name__} object")
        stars = [number for number, target in enumerate(targets) if isinstance(target, ast.Starred)]
        if not stars:
            taken = [item for _, item in zip(range(len(targets) + 1), items, strict=False)]
            if len(taken) > len(targets):
                raise ValueError(f"too many values to unpack (expected {len(targets)})")
            if len(taken) < len(targets):
                raise ValueError(f"not enough values to unpack (expected {len(targets)}, got {len(taken)})")
            return taken
        taken, before, after = list(items), stars[0], len(targets) - stars[0] - 1
        if len(taken) < before + after:
            raise ValueError(f"not enough values to unpack (expected at least {before + after}, got {len(taken)})")
        end = len(taken) - after
        return [*taken[:before], taken[before:end], *taken[end:]]

    def unsupported(self, node: ast.AST) -> Exception:
        self.budget.line = getattr(node, "lineno", self.budget.line)
        return self.budget.unsupported(type(node).__name__)

    def call_function(self, function: Function, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        raise NotImplementedError


_HANDLERS = {
    ast.Constant: Expressions.constant, ast.Name: Expressions.name, ast.BinOp: Expressions.binary,
    ast.UnaryOp: Expressions.unary, ast.BoolOp: Expressions.boolean, ast.Compare: Expressions.comparison,
    ast.IfExp: Expressions.conditional, ast.NamedExpr: Expressions.walrus, ast.List: Expressions.list_display,
    ast.Tuple: Expressions.tuple_display, ast.Set: Expressions.set_display, ast.Dict: Expressions.dict_display,
    ast.Subscript: Expressions.subscript, ast.Slice: Expressions.slice_, ast.ListComp: Expressions.list_comprehension,
    ast.SetComp: Expressions.set_comprehension, ast.DictComp: Expressions.dict_comprehension,
    ast.GeneratorExp: Expressions.generator, ast.Lambda: Expressions.lambda_, ast.Call: Expressions.call_expression,
    ast.Attribute: Expressions.attribute, ast.JoinedStr: Expressions.joined, ast.FormattedValue: Expressions.formatted,
}  # fmt: skip
