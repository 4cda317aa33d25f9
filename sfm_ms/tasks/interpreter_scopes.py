"""Names of a program: the scopes that hold them, the functions that own scopes, and how a call binds its arguments."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

_NEW_SCOPE = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Scope:
    """The variables of the module, of a call, or of a comprehension. `local` are all names that can stand in it."""

    values: dict[str, Any] = field(default_factory=dict)
    parent: Scope | None = None
    local: frozenset[str] = frozenset()
    elsewhere: dict[str, Scope] = field(default_factory=dict)  # names that `global` and `nonlocal` send to another scope
    prefix: str = ""  # of the names of functions that are defined in it, as Python's errors spell them
    is_comprehension: bool = False

    def module(self) -> Scope:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def find(self, name: str) -> dict[str, Any] | None:
        """The variables among which the name is, or None. NameError where it is to be in a scope that lacks it so far."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.elsewhere:
                return scope.elsewhere[name].find(name)
            if name in scope.values:
                return scope.values
            if name in scope.local:
                raise self.unbound(name, scope)
            scope = scope.parent
        return None

    def unbound(self, name: str, owner: Scope) -> NameError:
        if owner is self:
            return UnboundLocalError(f"cannot access local variable '{name}' where it is not associated with a value")
        return NameError(f"cannot access free variable '{name}' where it is not associated with a value in enclosing scope")

    def bind(self, name: str, value: Any) -> None:
        self.elsewhere.get(name, self).values[name] = value

    def enclosing(self, name: str) -> Scope | None:
        """The innermost function, this or around it, that has the name: what `nonlocal` inside it means."""
        scope: Scope | None = self
        while scope is not None and scope.parent is not None:
            if name in scope.local:
                return scope
            scope = scope.parent
        return None

    def statement_scope(self) -> Scope:
        """Where `:=` binds."""
        scope = self
        while scope.is_comprehension:
            scope = scope.parent
        return scope


@dataclass(eq=False)
class Function:
    """A function or lambda of the program. `defaults` are the values of its last parameters, `named` those after `*`."""

    name: str  # as Python's errors spell it
    parameters: ast.arguments
    body: list[ast.stmt] | ast.expr
    scope: Scope
    defaults: list[Any]
    named: dict[str, Any]
    local: frozenset[str]
    elsewhere: dict[str, Scope]


Function.__name__ = "function"  # as Python's own errors call it


@dataclass(frozen=True, eq=False)
class Method:
    """A method of a value, not called yet."""

    owner: Any
    name: str


Method.__name__ = "builtin_function_or_method"


def bound_names(body: list[ast.stmt] | ast.expr, parameters: ast.arguments) -> tuple[frozenset[str], dict[str, bool]]:
    """The names that a function of this body binds, and those that it declares to be elsewhere: whether nonlocal."""
    names = {each.arg for each in all_parameters(parameters)}
    declared: dict[str, bool] = {}
    waiting: list[ast.AST] = list(body) if isinstance(body, list) else [body]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.ExceptHandler(name=str() as name):
                names.add(name)
            case ast.FunctionDef(name=name):
                names.add(name)
            case ast.Global(names=others) | ast.Nonlocal(names=others):
                declared.update(dict.fromkeys(others, isinstance(node, ast.Nonlocal)))
        if not isinstance(node, _NEW_SCOPE):
            waiting.extend(ast.iter_child_nodes(node))
        elif not isinstance(node, ast.FunctionDef | ast.Lambda):
            names.update(each.target.id for each in ast.walk(node) if isinstance(each, ast.NamedExpr))
    return frozenset(names - declared.keys()), declared


def all_parameters(parameters: ast.arguments) -> list[ast.arg]:
    rest = [each for each in (parameters.vararg, parameters.kwarg) if each is not None]
    return [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs, *rest]


def bind_arguments(function: Function, arguments: list[Any], keywords: dict[str, Any]) -> dict[str, Any]:
    """The variables with which a call begins. TypeError in Python's words."""
    parameters = function.parameters
    first_names = [each.arg for each in parameters.posonlyargs]
    names = first_names + [each.arg for each in parameters.args]
    values = dict(zip(names, arguments, strict=False))
    extra = {}
    for name, value in keywords.items():
        if name in names and name not in first_names:
            if name in values:
                raise TypeError(f"{function.name}() got multiple values for argument '{name}'")
            values[name] = value
        elif any(name == each.arg for each in parameters.kwonlyargs):
            values[name] = value
        elif parameters.kwarg is not None:
            extra[name] = value
        elif name in first_names:
            listed = ", ".join(each for each in first_names if each in keywords)
            raise TypeError(f"{function.name}() got some positional-only arguments passed as keyword arguments: '{listed}'")
        else:
            raise TypeError(f"{function.name}() got an unexpected keyword argument '{name}'")
    if len(arguments) > len(names) and parameters.vararg is None:
        num_named = sum(each.arg in values for each in parameters.kwonlyargs)
        raise _too_many(function, len(names), len(arguments), num_named)
    with_default = dict(zip(reversed(names), reversed(function.defaults), strict=False))
    for name in with_default:
        values.setdefault(name, with_default[name])
    _check_missing(function, [name for name in names if name not in values], "positional")
    for name, value in function.named.items():
        values.setdefault(name, value)
    _check_missing(function, [each.arg for each in parameters.kwonlyargs if each.arg not in values], "keyword-only")
    if parameters.vararg is not None:
        values[parameters.vararg.arg] = tuple(arguments[len(names) :])
    if parameters.kwarg is not None:
        values[parameters.kwarg.arg] = extra
    return values


def _too_many(function: Function, num_names: int, num_given: int, num_named: int) -> TypeError:
    least = num_names - len(function.defaults)
    takes = f"{num_names}" if not function.defaults else f"from {least} to {num_names}"
    plural = "" if num_names == 1 and not function.defaults else "s"
    given = f"{num_given} {'was' if num_given == 1 else 'were'}"
    if num_named:
        arguments = [f"argument{'s' if number > 1 else ''}" for number in (num_given, num_named)]
        given = f"{num_given} positional {arguments[0]} (and {num_named} keyword-only {arguments[1]}) were"
    return TypeError(f"{function.name}() takes {takes} positional argument{plural} but {given} given")


def _check_missing(function: Function, names: list[str], kind: str) -> None:
    if not names:
        return
    quoted = [f"'{name}'" for name in names]
    listed = " and ".join(quoted) if len(quoted) < 3 else ", ".join(quoted[:-1]) + f", and {quoted[-1]}"
    plural = "s" if len(names) > 1 else ""
    raise TypeError(f"{function.name}() missing {len(names)} required {kind} argument{plural}: {listed}")
