"""Statements of Python source into nodes and edges of a code graph; code_graph.py says what these mean."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import NamedTuple

from sfm_ms.tasks.code_parts import Offsets, beginning
from sfm_ms.tasks.def_use import Event, Flow, Step, def_use

NODE_KINDS = ("file", "function", "class", "statement", "variable")
EDGE_KINDS = ("contains", "defines", "reads", "mutates", "imports", "calls", "def_use", "control")
# Methods of Python's containers and files that change them.
MUTATORS = {"add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "pop", "popitem", "popleft"}
MUTATORS |= {"remove", "reverse", "setdefault", "sort", "update", "write"}
FILE, FUNCTION, CLASS, STATEMENT, VARIABLE = range(len(NODE_KINDS))
CONTAINS, DEFINES, READS, MUTATES, IMPORTS, CALLS, DEF_USE, CONTROL = range(len(EDGE_KINDS))


class Nodes(NamedTuple):
    """What grows as statements are read."""

    kinds: list[int]
    names: list[str]
    starts: list[int]
    ends: list[int]
    edges: list[tuple[int, int, int]]
    known: list[tuple[int, int, int]]  # edges as a reader of the text before knows them

    def add(self, kind: int, name: str, start: int, end: int) -> int:
        for numbers, value in zip(self[:4], (kind, name, start, end), strict=True):
            numbers.append(value)
        return len(self.kinds) - 1

    def add_flow(self, flow: Flow) -> None:
        self.edges.extend((a, b, DEF_USE) for a, b in flow.pairs)
        self.known.extend((a, b, DEF_USE) for a, b in flow.known())


class Scope:
    """The names of a file, class or function while its statements are being read. What a name means is certain at its end."""

    def __init__(self, node: int, kind: int, parent: Scope | None):
        self.node, self.kind, self.parent = node, kind, parent
        self.outer = parent.outer if parent and parent.kind == CLASS else parent  # where names are looked up next
        self.file: Scope = parent.file if parent else self
        self.class_scope: Scope | None = self if kind == CLASS else parent and parent.class_scope  # whose methods `self` has
        self.bound: set[str] = set()
        self.elsewhere: dict[str, str] = {}  # global and nonlocal names
        self.mentions: list[tuple[int, str, int]] = []  # statement, name, kind of edge
        self.variables: dict[str, int] = {}
        self.callables: dict[str, list[int]] = {}
        self.calls: list[tuple[int, str]] = []  # statement, name of what it calls
        self.method_calls: list[tuple[int, str]] = []  # of `self`: of a class, also from its functions

    def file_variable(self, name: str) -> int | None:
        """The file's variable that a name means, as far as the text so far tells."""
        scope = self
        while scope.parent is not None:
            if name in scope.elsewhere:
                if scope.elsewhere[name] != "Global":
                    return None
                scope = scope.file
            elif name in scope.bound:
                return None
            else:
                scope = scope.outer
        return scope.variables.get(name)

    def called(self, name: str) -> list[int]:
        """The functions and classes of a name so far, in the nearest scope that has one."""
        scope = self
        while scope is not None and name not in scope.callables:
            scope = scope.outer
        return scope.callables[name] if scope else []

    def connect_calls(self, calls: Iterable[tuple[int, str]], edges: list[tuple[int, int, int]]) -> list[tuple[int, str]]:
        """Adds edges to all functions and classes of this scope that have a called name; returns the other calls."""
        edges.extend((node, target, CALLS) for node, name in calls for target in self.callables.get(name, ()))
        return [call for call in calls if call[1] not in self.callables]


Parents = tuple[tuple[int, int], ...]


def under(node: int) -> Parents:
    """What stands directly in a compound statement."""
    return ((node, CONTAINS), (node, CONTROL))


def parameters(arguments: ast.arguments) -> list[ast.arg]:
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [argument for argument in named if argument]


class CodeReader:
    def __init__(self, nodes: Nodes, offsets: Offsets):
        self.nodes, self.offsets = nodes, offsets
        self.hidden: frozenset[str] = frozenset()  # names of lambdas and comprehensions around an expression
        self.scope: Scope | None = None
        self.node = -1
        self.is_below = False  # what is read stands further down than the node
        self.events: list[Event] = []

    def statements(self, statements: Iterable[ast.stmt], scope: Scope, parents: Parents = ()) -> list[Step]:
        """`parents`: nodes and kinds of the edges from them to each statement; as a rule, the scope's node contains it."""
        edges = parents or ((scope.node, CONTAINS),)
        steps = []
        for statement in statements:
            read = getattr(self, f"read_{type(statement).__name__}", None)
            if read is None:
                steps.append(self.simple(statement, scope, edges))
            else:
                steps.extend(read(statement, scope, edges))
        return steps

    # Statements

    def add(self, kind: int, name: str, statement: ast.AST, end: int, edges) -> int:
        node = self.nodes.add(kind, name, beginning(statement, self.offsets), end)
        for parent, edge in edges:
            self.nodes.edges.append((parent, node, edge))
            self.nodes.known.append((parent, node, edge))
        return node

    def simple(self, statement: ast.stmt, scope: Scope, edges) -> Step:
        end = self.offsets(statement.end_lineno, statement.end_col_offset)
        node = self.add(STATEMENT, type(statement).__name__, statement, end, edges)
        kind = KINDS.get(type(statement), "plain")
        return Step(node, kind, self.expressions(statement, scope, node))

    def head(self, statement: ast.stmt, edges: Parents, body: list[ast.stmt]) -> int:
        """A compound statement's node."""
        return self.add(STATEMENT, type(statement).__name__, statement, beginning(body[0], self.offsets), edges)

    def inside(self, body: list[ast.stmt], scope: Scope, node: int) -> list[Step]:
        return self.statements(body, scope, under(node))

    def read_If(self, statement, scope, edges):
        node = self.head(statement, edges, statement.body)
        events = self.expressions(statement.test, scope, node)
        return [Step(node, "branch", events, bodies=[self.inside(b, scope, node) for b in (statement.body, statement.orelse)])]

    def read_While(self, statement, scope, edges):
        node = self.head(statement, edges, statement.body)
        turn = self.expressions(statement.test, scope, node)
        bodies = [self.inside(b, scope, node) for b in (statement.body, statement.orelse)]
        is_endless = isinstance(statement.test, ast.Constant) and bool(statement.test.value)
        return [Step(node, "loop", turn=turn, bodies=bodies, is_endless=is_endless)]

    def read_For(self, statement, scope, edges):
        node = self.head(statement, edges, statement.body)
        events = self.expressions(statement.iter, scope, node)
        turn = self.expressions(statement.target, scope, node)
        return [Step(node, "loop", events, turn, [self.inside(b, scope, node) for b in (statement.body, statement.orelse)])]

    read_AsyncFor = read_For

    def read_With(self, statement, scope, edges):
        node = self.head(statement, edges, statement.body)
        events = [event for item in statement.items for event in self.expressions(item, scope, node)]
        return [Step(node, events=events), *self.inside(statement.body, scope, node)]

    read_AsyncWith = read_With

    def read_Try(self, statement, scope, edges):
        node = self.head(statement, edges, statement.body)
        body = self.inside(statement.body, scope, node)
        handlers = [self.handler(handler, scope, under(node)) for handler in statement.handlers]
        others = [self.inside(b, scope, node) for b in (statement.orelse, statement.finalbody)]
        return [Step(node, "try_", bodies=[body, *others, *handlers])]

    read_TryStar = read_Try

    def handler(self, handler: ast.ExceptHandler, scope: Scope, edges) -> list[Step]:
        node = self.head(handler, edges, handler.body)
        events = self.expressions(handler.type, scope, node) if handler.type else []
        last = []
        if handler.name:
            self.mention(scope, node, handler.name, DEFINES)
            events.append(Event("bind", handler.name))
            last.append(Step(node, events=[Event("unbind", handler.name)]))
        return [Step(node, events=events), *self.inside(handler.body, scope, node), *last]

    def read_Match(self, statement, scope, edges):
        node = self.head(statement, edges, statement.cases[0].body)
        events = self.expressions(statement.subject, scope, node)
        bodies = []
        for case in statement.cases:
            parts = (case.pattern, case.guard) if case.guard else (case.pattern,)
            self.is_below = len(bodies) > 0
            bound = [event for part in parts for event in self.expressions(part, scope, node)]
            head = Step(node, "below" if self.is_below else "plain", bound)
            self.is_below = False
            bodies.append([head, *self.inside(case.body, scope, node)])
        last = statement.cases[-1]
        if last.guard or not isinstance(last.pattern, ast.MatchAs) or last.pattern.pattern is not None:
            bodies.append([])  # no case fits
        return [Step(node, "branch", events, bodies=bodies)]

    def read_Global(self, statement, scope, edges):
        step = self.simple(statement, scope, edges)
        scope.elsewhere.update(dict.fromkeys(statement.names, type(statement).__name__))
        return [step]

    read_Nonlocal = read_Global

    def read_ClassDef(self, statement, scope, edges):
        heads = (*statement.decorator_list, *statement.bases, *statement.keywords)
        node, step = self.callable(CLASS, statement, scope, edges, heads)
        inner = Scope(node, CLASS, scope)
        self.close(inner, self.statements(statement.body, inner), ())
        return [step]

    def read_FunctionDef(self, statement, scope, edges):
        arguments = statement.args
        named = parameters(arguments)
        notes = [*(argument.annotation for argument in named), statement.returns]
        defaults = [*arguments.defaults, *arguments.kw_defaults]
        heads = [expression for expression in (*statement.decorator_list, *defaults, *notes) if expression]
        node, step = self.callable(FUNCTION, statement, scope, edges, heads)
        inner = Scope(node, FUNCTION, scope)
        names = [argument.arg for argument in named]
        for name in names:
            self.mention(inner, node, name, DEFINES)
        self.close(inner, self.statements(statement.body, inner), names)
        return [step]

    read_AsyncFunctionDef = read_FunctionDef

    def callable(self, kind: int, statement, scope: Scope, edges, heads) -> tuple[int, Step]:
        node = self.add(kind, statement.name, statement, beginning(statement.body[0], self.offsets), edges)
        events = [event for expression in heads for event in self.expressions(expression, scope, node)]
        self.mention(scope, node, statement.name, DEFINES)
        scope.callables.setdefault(statement.name, []).append(node)
        return node, Step(node, events=[*events, Event("bind", statement.name)])

    # Names

    def mention(self, scope: Scope, node: int, name: str, edge: int) -> None:
        if edge in (DEFINES, IMPORTS):
            scope.bound.add(name)
        self.hand_over(scope, node, name, edge)
        variable = scope.file_variable(name)
        if variable is not None and not self.is_below:
            self.nodes.known.append((node, variable, edge))

    def hand_over(self, scope: Scope, node: int, name: str, edge: int) -> None:
        """A mention to a scope that finds out whose name it is: the file's at once, others' at their end."""
        if scope.parent is None:
            self.connect(scope, node, name, edge)
        else:
            scope.mentions.append((node, name, edge))

    def connect(self, scope: Scope, node: int, name: str, edge: int) -> None:
        variable = scope.variables.get(name)
        if variable is None:
            variable = self.nodes.add(VARIABLE, name, self.nodes.starts[node], self.nodes.ends[node])
            scope.variables[name] = variable
        self.nodes.edges.append((node, variable, edge))

    def close(self, scope: Scope, steps: list[Step], parameters: Iterable[str]) -> None:
        """A function's or class's end: its own names get their variables, the others go on to the scopes around it."""
        self.nodes.add_flow(def_use(steps, parameters, scope.node))
        for node, name, edge in scope.mentions:
            elsewhere = scope.elsewhere.get(name)
            if elsewhere is None and name in scope.bound:
                self.connect(scope, node, name, edge)
                continue
            self.hand_over(scope.file if elsewhere == "Global" else scope.outer, node, name, edge)
        scope.connect_calls(scope.method_calls, self.nodes.edges)
        scope.outer.calls.extend(scope.connect_calls(scope.calls, self.nodes.edges))

    # Expressions

    def expressions(self, root: ast.AST, scope: Scope, node: int) -> list[Event]:
        """What a statement reads and binds, in the order of evaluation; edges to the names go to the scope."""
        self.scope, self.node, self.events = scope, node, []
        self.visit(root, True)
        return self.events

    def visit(self, node: ast.AST, is_certain: bool) -> None:
        visit = VISITS.get(type(node))
        if visit is not None:
            visit(self, node, is_certain)
            return
        for name in node._fields:
            self.visit_all(getattr(node, name, None), is_certain)

    def visit_all(self, value, is_certain: bool) -> None:
        if isinstance(value, list):
            for item in value:
                if isinstance(item, ast.AST):
                    self.visit(item, is_certain)
        elif isinstance(value, ast.AST):
            self.visit(value, is_certain)

    def use(self, name: str) -> None:
        if name not in self.hidden:
            self.events.append(Event("use", name))
            self.mention(self.scope, self.node, name, READS)

    def bind(self, name: str, is_certain: bool, edge: int = DEFINES) -> None:
        self.events.append(Event("bind", name, is_certain))
        self.mention(self.scope, self.node, name, edge)

    def mutate(self, node: ast.AST) -> None:
        """The object of the name at the root of `a.b[c]`."""
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        if isinstance(node, ast.Name) and node.id not in self.hidden:
            self.mention(self.scope, self.node, node.id, MUTATES)

    def visit_name(self, node: ast.Name, is_certain: bool) -> None:
        if isinstance(node.ctx, ast.Load):
            self.use(node.id)
        elif isinstance(node.ctx, ast.Store):
            if node.id not in self.hidden:
                self.bind(node.id, is_certain)
        else:
            self.events.append(Event("unbind", node.id, is_certain))
            self.mention(self.scope, self.node, node.id, READS)

    def visit_place(self, node: ast.Attribute | ast.Subscript, is_certain: bool) -> None:
        self.visit(node.value, is_certain)
        if isinstance(node, ast.Subscript):
            self.visit(node.slice, is_certain)
        if not isinstance(node.ctx, ast.Load):
            self.mutate(node)

    def visit_call(self, node: ast.Call, is_certain: bool) -> None:
        function = node.func
        if isinstance(function, ast.Name):
            if function.id not in self.hidden:
                self.call(self.scope.calls, function.id, self.scope.called(function.id))
        elif isinstance(function, ast.Attribute):
            of_class = self.scope.class_scope
            if of_class and isinstance(function.value, ast.Name) and function.value.id in ("self", "cls"):
                self.call(of_class.method_calls, function.attr, of_class.callables.get(function.attr, ()))
            if function.attr in MUTATORS:
                self.mutate(function)
        self.visit(function, is_certain)
        for argument in node.args:
            self.visit(argument, is_certain)
        for keyword in node.keywords:
            self.visit(keyword.value, is_certain)

    def call(self, calls: list[tuple[int, str]], name: str, so_far: Iterable[int]) -> None:
        calls.append((self.node, name))
        if not self.is_below:
            self.nodes.known.extend((self.node, target, CALLS) for target in so_far)

    def visit_assign(self, node: ast.Assign | ast.AnnAssign, is_certain: bool) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if isinstance(node, ast.AnnAssign):
            self.visit(node.annotation, is_certain)
            if node.value is None:
                if isinstance(node.target, ast.Name):
                    self.scope.bound.add(node.target.id)
                return
        self.visit(node.value, is_certain)
        for target in targets:
            self.visit(target, is_certain)

    def visit_augmented(self, node: ast.AugAssign, is_certain: bool) -> None:
        if isinstance(node.target, ast.Name):
            self.use(node.target.id)
            self.mutate(node.target)
        self.visit(node.value, is_certain)
        self.visit(node.target, is_certain)

    def visit_walrus(self, node: ast.NamedExpr, is_certain: bool) -> None:
        self.visit(node.value, is_certain)
        self.bind(node.target.id, is_certain)

    def visit_either(self, node: ast.BoolOp | ast.IfExp, is_certain: bool) -> None:
        first, *others = node.values if isinstance(node, ast.BoolOp) else (node.test, node.body, node.orelse)
        self.visit(first, is_certain)
        for other in others:
            self.visit(other, False)

    def visit_compare(self, node: ast.Compare, is_certain: bool) -> None:
        self.visit(node.left, is_certain)
        for position, value in enumerate(node.comparators):
            self.visit(value, is_certain and position == 0)

    def visit_binary(self, node: ast.BinOp, is_certain: bool) -> None:
        self.visit(node.left, is_certain)
        self.visit(node.right, is_certain)

    def visit_lambda(self, node: ast.Lambda, is_certain: bool) -> None:
        arguments = node.args
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default:
                self.visit(default, is_certain)
        around, self.hidden = self.hidden, self.hidden.union(argument.arg for argument in parameters(arguments))
        self.visit(node.body, False)
        self.hidden = around

    def visit_comprehension(self, node: ast.ListComp | ast.DictComp, is_certain: bool) -> None:
        self.visit(node.generators[0].iter, is_certain)
        targets = (name for part in node.generators for name in ast.walk(part.target) if isinstance(name, ast.Name))
        around, self.hidden = self.hidden, self.hidden.union(name.id for name in targets)
        for position, part in enumerate(node.generators):
            self.visit(part.target, False)
            if position:
                self.visit(part.iter, False)
            self.visit_all(part.ifs, False)
        self.visit_all([node.key, node.value] if isinstance(node, ast.DictComp) else node.elt, False)
        self.hidden = around

    def visit_import(self, node: ast.Import | ast.ImportFrom, is_certain: bool) -> None:
        for alias in node.names:
            if alias.name != "*":
                self.bind(alias.asname or alias.name.partition(".")[0], is_certain, IMPORTS)

    def visit_capture(self, node: ast.MatchAs | ast.MatchStar | ast.MatchMapping, is_certain: bool) -> None:
        for name in ("keys", "patterns", "pattern"):
            self.visit_all(getattr(node, name, None), is_certain)
        name = node.rest if isinstance(node, ast.MatchMapping) else node.name
        if name:
            self.bind(name, is_certain)

    def visit_nothing(self, node: ast.AST, is_certain: bool) -> None:
        pass


KINDS = {ast.Return: "stop", ast.Raise: "stop", ast.Break: "break_", ast.Continue: "continue_"}
VISITS = {
    ast.Name: CodeReader.visit_name,
    ast.Constant: CodeReader.visit_nothing,
    ast.Attribute: CodeReader.visit_place,
    ast.Subscript: CodeReader.visit_place,
    ast.Call: CodeReader.visit_call,
    ast.Assign: CodeReader.visit_assign,
    ast.AnnAssign: CodeReader.visit_assign,
    ast.AugAssign: CodeReader.visit_augmented,
    ast.NamedExpr: CodeReader.visit_walrus,
    ast.BoolOp: CodeReader.visit_either,
    ast.IfExp: CodeReader.visit_either,
    ast.Compare: CodeReader.visit_compare,
    ast.BinOp: CodeReader.visit_binary,
    ast.Lambda: CodeReader.visit_lambda,
    ast.Import: CodeReader.visit_import,
    ast.ImportFrom: CodeReader.visit_import,
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp), CodeReader.visit_comprehension),
    **dict.fromkeys((ast.MatchAs, ast.MatchStar, ast.MatchMapping), CodeReader.visit_capture),
}
