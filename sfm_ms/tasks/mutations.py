"""Small changes of a program, each of one place in one line: what a slip of its author would have made of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

KINDS = (
    "operator", "comparison", "constant", "index", "off by one", "variable", "condition", "function", "missing return",
    "overwrite",
)  # fmt: skip
_OPERATORS = {
    ast.Add: (ast.Sub, ast.Mult), ast.Sub: (ast.Add,), ast.Mult: (ast.Add,), ast.FloorDiv: (ast.Mod, ast.Mult),
    ast.Mod: (ast.FloorDiv,), ast.And: (ast.Or,), ast.Or: (ast.And,),
}  # fmt: skip
_COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
_FUNCTIONS = {"max": "min", "min": "max", "any": "all", "all": "any", "sum": "len", "sorted": "list"}


class Mutation(NamedTuple):
    kind: str  # of KINDS
    line: int  # from 1
    before: str  # that line, without its indent
    after: str
    source: str  # the changed program


def mutations(source: str, kinds: tuple[str, ...] = KINDS) -> list[Mutation]:
    """All changes of these kinds that the program can take, in the order of its text. It must be ASCII and free of errors."""
    if not source.isascii():
        raise ValueError("source: expected ASCII, got other characters")
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"kinds: expected some of {', '.join(KINDS)}, got {unknown[0]!r}")
    lines = source.split("\n")
    found = []
    for kind, node, text in _changes(ast.parse(source)):
        if kind not in kinds or node.lineno != node.end_lineno:
            continue
        line = lines[node.lineno - 1]
        changed = line[: node.col_offset] + text + line[node.end_col_offset :]
        if changed != line:
            program = "\n".join([*lines[: node.lineno - 1], changed, *lines[node.lineno :]])
            found.append(Mutation(kind, node.lineno, line.strip(), changed.strip(), program))
    return sorted(found, key=lambda mutation: mutation.line)


def _changes(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str]]:
    """(kind, node, what to write in its place)."""
    for scope in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]:
        nodes = list(_inside(scope))
        names = list(dict.fromkeys(_variables(scope, nodes)))
        for node in nodes:
            yield from _of_expression(node)
            yield from _of_place(node)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
                yield from (("variable", node, name) for name in names if name != node.id)


def _inside(scope: ast.AST) -> Iterator[ast.AST]:
    """Nodes of a function or of the module, without those of functions in it and of texts, which have no place of their own."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.JoinedStr):
            waiting.extend(ast.iter_child_nodes(node))


def _variables(scope: ast.AST, nodes: list[ast.AST]) -> Iterator[str]:
    if isinstance(scope, ast.FunctionDef):
        yield from (each.arg for each in scope.args.args)
    inner = {id(each) for node in nodes if isinstance(node, ast.comprehension) for each in ast.walk(node.target)}
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in inner:
            yield node.id


def _of_expression(node: ast.AST) -> Iterator[tuple[str, ast.AST, str]]:
    match node:
        case ast.BinOp(op=op) if type(op) in _OPERATORS:
            for other in _OPERATORS[type(op)]:
                yield "operator", node, ast.unparse(ast.BinOp(node.left, other(), node.right))
        case ast.BoolOp(op=op):
            for other in _OPERATORS[type(op)]:
                yield "operator", node, ast.unparse(ast.BoolOp(other(), node.values))
        case ast.AugAssign(op=op) if type(op) in _OPERATORS:
            for other in _OPERATORS[type(op)]:
                yield "operator", node, ast.unparse(ast.AugAssign(node.target, other(), node.value))
            yield "overwrite", node, ast.unparse(ast.Assign([node.target], node.value, lineno=node.lineno))
        case ast.Compare(ops=[op]) if type(op) in _COMPARISONS:
            for other in _COMPARISONS[type(op)]:
                yield "comparison", node, ast.unparse(ast.Compare(node.left, [other()], node.comparators))
        case ast.Constant(value=value) if type(value) is int:
            yield "constant", node, str(value + 1)
            if value:
                yield "constant", node, str(value - 1)


def _of_place(node: ast.AST) -> Iterator[tuple[str, ast.AST, str]]:
    match node:
        case ast.Subscript(slice=ast.Name() | ast.BinOp() as index):
            yield "index", index, f"{ast.unparse(index)} + 1"
            yield "index", index, f"{ast.unparse(index)} - 1"
        case ast.Subscript(slice=ast.Constant(value=int() as index)):
            yield "index", node.slice, str(index + 1)
        case ast.Subscript(slice=ast.UnaryOp(op=ast.USub()) as index):
            yield "index", index, "0"
        case ast.Call(func=ast.Name(id="range"), args=[*_, end]):
            yield "off by one", end, f"{ast.unparse(end)} - 1"
            yield "off by one", end, f"{ast.unparse(end)} + 1"
        case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS:
            yield "function", node.func, _FUNCTIONS[name]
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield "condition", test, f"not ({ast.unparse(test)})"
        case ast.UnaryOp(op=ast.Not()):
            yield "condition", node, ast.unparse(node.operand)
        case ast.Return(value=ast.expr() as value):
            yield "missing return", node, ast.unparse(value)
