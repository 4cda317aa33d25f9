"""What Python refuses although its grammar has it: `break` outside a loop, parameters of one name, `global` after use, ..."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from sfm_ms.tasks.interpreter_scopes import all_parameters

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_CHECKED = (*_FUNCTIONS, ast.Call, ast.Assign, ast.Tuple, ast.List, ast.Try)


def check_syntax(tree: ast.Module | ast.Expression) -> None:
    """Raises SyntaxError in Python's words, with the line."""
    _check_statements(ast.iter_child_nodes(tree), is_function=False, is_loop=False)
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, _CHECKED):
            _check(node)
    if any(isinstance(node, ast.Global | ast.Nonlocal) for node in nodes):
        _check_declarations(tree.body, [])  # only programs have such statements
        for node in nodes:
            if isinstance(node, ast.FunctionDef):
                _check_declarations(node.body, [each.arg for each in all_parameters(node.args)])


def _check_statements(body: Iterable[ast.AST], is_function: bool, is_loop: bool) -> None:
    for node in body:
        match node:
            case ast.Break() if not is_loop:
                raise _error("'break' outside loop", node)
            case ast.Continue() if not is_loop:
                raise _error("'continue' not properly in loop", node)
            case ast.Return() if not is_function:
                raise _error("'return' outside function", node)
            case ast.Nonlocal() if not is_function:
                raise _error("nonlocal declaration not allowed at module level", node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                _check_statements(node.body, is_function=True, is_loop=False)
            case ast.While() | ast.For():
                _check_statements(node.body, is_function, is_loop=True)
                _check_statements(node.orelse, is_function, is_loop)
            case ast.stmt() | ast.ExceptHandler():
                _check_statements(ast.iter_child_nodes(node), is_function, is_loop)


def _check(node: ast.AST) -> None:
    match node:
        case ast.Call(keywords=keywords):
            name = _repeated(each.arg for each in keywords if each.arg is not None)
            if name:
                raise _error(f"keyword argument repeated: {name}", node)
        case ast.Assign(targets=targets):
            for target in targets:
                if isinstance(target, ast.Starred):
                    raise _error("starred assignment target must be in a list or tuple", node)
        case ast.Tuple(elts=elements, ctx=ast.Store()) | ast.List(elts=elements, ctx=ast.Store()):
            if sum(isinstance(each, ast.Starred) for each in elements) > 1:
                raise _error("multiple starred expressions in assignment", node)
        case ast.Try(handlers=handlers):
            for handler in handlers[:-1]:
                if handler.type is None:
                    raise _error("default 'except:' must be last", handler)
    if isinstance(node, _FUNCTIONS):
        name = _repeated(each.arg for each in all_parameters(node.args))
        if name:
            raise _error(f"duplicate argument '{name}' in function definition", node)


def _check_declarations(body: list[ast.stmt], parameters: list[str]) -> None:
    inside = list(_of_this_function(body))
    for declared in inside:
        if not isinstance(declared, ast.Global | ast.Nonlocal):
            continue
        kind = type(declared).__name__.lower()
        for name in declared.names:
            if name in parameters:
                raise _error(f"name '{name}' is parameter and {kind}", declared)
            for other in inside:
                if isinstance(other, ast.Name) and other.id == name and other.lineno < declared.lineno:
                    what = "used prior to" if isinstance(other.ctx, ast.Load) else "assigned to before"
                    raise _error(f"name '{name}' is {what} {kind} declaration", declared)


def _of_this_function(body: list[ast.stmt]) -> Iterable[ast.AST]:
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, _FUNCTIONS):
            waiting.extend(ast.iter_child_nodes(node))


def _repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)


def _error(words: str, node: ast.AST) -> SyntaxError:
    return SyntaxError(words, (None, node.lineno, 0, ""))
