"""Code graphs: hand-written sources, def-use edges against walks through random programs, growing, and the standard library."""

from __future__ import annotations

import ast
import random
import time

import numpy as np
import pytest
from library import LIBRARY, sources

from sfm_ms.tasks.code_graph import GrowingCodeGraph, code_graph
from sfm_ms.tasks.code_parts import top_level
from sfm_ms.tasks.code_reader import DEF_USE, EDGE_KINDS, NODE_KINDS, VARIABLE
from sfm_ms.tasks.statements import closing, statement_ends


def edges(source, kind):
    """{(text of the source node's first line, of the target's)}; of a variable its name."""
    graph = code_graph(source)

    def text(node):
        if NODE_KINDS[graph.kinds[node]] == "variable":
            return graph.names[node]
        return source[graph.starts[node] :].partition("\n")[0]

    return {(text(a), text(b)) for a, b, k in graph.edges if EDGE_KINDS[k] == kind}


SOURCE = """import os.path as path, sys
from math import *

@path.join
class Tree(Base):
    size = 0

    def grow(self, by=path):
        global total
        self.size += by
        total = self.count()
        return [leaf for leaf in self.leaves if leaf.size > by]

    def count(self):
        return sum(map(lambda leaf: leaf.size + sys.maxsize, self.leaves))

def plant(where):
    tree = Tree()
    where[0].trees.append(tree)
    def water():
        nonlocal tree
        tree = tree.grow()
        return plant(tree)
    return water
"""


def test_edges_of_a_source():
    assert edges(SOURCE, "imports") == {("import os.path as path, sys", "path"), ("import os.path as path, sys", "sys")}
    assert edges(SOURCE, "calls") == {
        ("total = self.count()", "def count(self):"),
        ("tree = Tree()", "@path.join"),
        ("return plant(tree)", "def plant(where):"),
    }  # whose method tree.grow is cannot be seen
    assert edges(SOURCE, "mutates") == {("self.size += by", "self"), ("where[0].trees.append(tree)", "where")}
    reads = edges(SOURCE, "reads")
    assert ("@path.join", "Base") in reads and ("def grow(self, by=path):", "path") in reads
    assert ("return sum(map(lambda leaf: leaf.size + sys.maxsize, self.leaves))", "sys") in reads
    assert not any(name == "leaf" for _, name in reads)
    contains = edges(SOURCE, "contains")
    assert ("@path.join", "def count(self):") in contains and ("import os.path as path, sys", "def plant(where):") in contains


def test_names_belong_to_their_scopes():
    graph = code_graph(SOURCE)
    variables = [name for name, kind in zip(graph.names, graph.kinds, strict=True) if NODE_KINDS[kind] == "variable"]
    assert variables.count("tree") == 1 and variables.count("total") == 1 and variables.count("self") == 2
    inner = {name for text, name in edges(SOURCE, "defines") if text == "tree = tree.grow()"}
    assert inner == {"tree"}


FLOWS = [  # source, {(line of the definition, line of the use)}
    ("a = 1\na = 2\nb = a", {(2, 3)}),
    ("if c:\n a = 1\nelse:\n a = 2\nb = a", {(2, 5), (4, 5)}),
    ("a = 1\nwhile c:\n b = a\n a = 2\nd = a", {(1, 3), (4, 3), (1, 5), (4, 5)}),
    ("while True:\n a = 1\n if c:\n  break\n a = 2\nb = a", {(2, 6)}),
    ("a = 0\nfor a in x:\n pass\nb = a", {(1, 4), (2, 4)}),
    ("a = 0\nfor i in x:\n if i: continue\n a = 1\nelse:\n b = a", {(2, 3), (1, 6), (4, 6)}),
    ("try:\n a = f()\n a = 2\nexcept E as e:\n b = a, e\nd = e", {(2, 5), (3, 5), (4, 5)}),
    ("a = 0\ntry:\n a = 1\nfinally:\n b = a\nc = a", {(1, 5), (3, 5), (3, 6)}),
    ("a = 1\ndel a\nb = a", set()),
    ("if c and (n := f()):\n a = n\nb = n", {(1, 2), (1, 3)}),
    (
        "match c:\n case [x, *y]: a = x\n case {'k': z, **r}: a = z, r\n case _: a = 1\nb = a",
        {(1, 2), (1, 3), (2, 5), (3, 5), (4, 5)},
    ),
    ("a = 1\na += a\nb = a", {(1, 2), (2, 3)}),
    ("with f() as a, a.g() as b:\n c = b", {(1, 1), (1, 2)}),
    ("def f(a, *b, c=1, **d):\n return a, b, c, d, e", {(1, 2)}),
    ("a = 1\nb = [a for a in a]", {(1, 2)}),
    ("def f():\n return 1\n a = 1\n b = a", set()),
]


@pytest.mark.parametrize(("source", "expected"), FLOWS)
def test_def_use(source, expected):
    assert lines_of_def_use(source) == expected


def lines_of_def_use(source):
    graph = code_graph(source)
    line = [source.count("\n", 0, start) + 1 for start in graph.starts]
    return {(line[a], line[b]) for a, b, kind in graph.edges if kind == DEF_USE}


# Random programs, and walks through them that know nothing of states, merging or loops' fixed points.

NAMES = "abc"


def random_body(rng, depth, in_loop, in_finally=False):
    lines = []
    for _ in range(rng.randint(1, 3)):
        kind = rng.choice(["bind", "bind", "use", "if", "while", "for", "try", "jump"] if depth else ["bind", "use", "jump"])
        name, other = rng.choice(NAMES), rng.choice(NAMES)
        inner = lambda loop=in_loop: [" " + line for line in random_body(rng, depth - 1, loop, in_finally)]  # noqa: E731
        if kind == "bind" and not in_finally:
            lines.append(rng.choice([f"{name} = {other}", f"{name} = 1", f"{name} += 1"]))
        elif kind == "if":
            lines += [f"if {name}:", *inner(), *(["else:", *inner()] if rng.random() < 0.5 else [])]
        elif kind in ("while", "for"):
            lines += [f"while {name}:" if kind == "while" or in_finally else f"for {name} in {other}:", *inner(True)]
            lines += ["else:", *inner()] if rng.random() < 0.3 else []
        elif kind == "try" and not in_finally:
            lines += ["try:", *inner(), "except:", *inner(), *(["else:", *inner()] if rng.random() < 0.3 else [])]
            if rng.random() < 0.3:
                lines += ["finally:", *(" " + line for line in random_body(rng, depth - 1, False, True))]
        elif kind == "jump" and in_loop and rng.random() < 0.5:
            lines.append(rng.choice(["break", "continue"]))
        elif kind == "jump" and not in_finally and rng.random() < 0.2:
            lines.append(f"return {name}")
        else:
            lines.append(f"print({name})")
    return lines


def random_function(rng):
    """Short enough that walks go everywhere."""
    while True:
        lines = ["def f(a, b):", *(" " + line for line in random_body(rng, 2, False))]
        if len(lines) <= 20:
            return "\n".join(lines)


class Raised(Exception):
    pass


class Jump(Exception):
    pass


class Walk:
    """One way through a function, every decision by chance; `pairs` gathers lines of definitions and uses."""

    def __init__(self, rng, pairs):
        self.rng, self.pairs, self.last = rng, pairs, {}
        self.how_often = rng.choice([0, 0.1, 0.3])

    def chance(self):
        return self.rng.random() < 0.5

    def use(self, node):
        for name in ast.walk(node):
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load) and name.id in self.last:
                self.pairs.add((self.last[name.id], name.lineno))

    def may_raise(self):
        if self.rng.random() < self.how_often:
            raise Raised

    def body(self, statements):
        for statement in statements:
            self.may_raise()
            getattr(self, type(statement).__name__)(statement)

    def Expr(self, statement):
        self.use(statement)
        self.may_raise()

    def Assign(self, statement):
        self.use(statement.value)
        self.may_raise()
        self.last[statement.targets[0].id] = statement.lineno
        self.may_raise()

    def AugAssign(self, statement):
        if statement.target.id in self.last:
            self.pairs.add((self.last[statement.target.id], statement.lineno))
        self.may_raise()
        self.last[statement.target.id] = statement.lineno
        self.may_raise()

    def Return(self, statement):
        self.use(statement)
        raise Jump("return")

    def Break(self, statement):
        raise Jump("break")

    def Continue(self, statement):
        raise Jump("continue")

    def If(self, statement):
        self.use(statement.test)
        self.body(statement.body if self.chance() else statement.orelse)

    def While(self, statement):
        is_for = isinstance(statement, ast.For)
        if is_for:
            self.use(statement.iter)
        while True:
            if not is_for:
                self.use(statement.test)
            if self.chance():
                break
            if is_for:
                self.last[statement.target.id] = statement.lineno
                self.may_raise()
            try:
                self.body(statement.body)
            except Jump as jump:
                if str(jump) == "return":
                    raise
                if str(jump) == "break":
                    return
        self.body(statement.orelse)

    For = While

    def Try(self, statement):
        try:
            try:
                self.body(statement.body)
            except Raised:
                self.body(statement.handlers[0].body)
                return
            self.body(statement.orelse)
        finally:
            self.body(statement.finalbody)


def walked(function, seed, expected):
    """Pairs of many walks; no more walks when all that is expected was seen."""
    rng, pairs = random.Random(seed), set()
    for number in range(20000):
        try:
            walk = Walk(rng, pairs)
            walk.last = dict.fromkeys("ab", function.lineno)
            walk.body(function.body)
        except (Raised, Jump):
            pass
        if number >= 100 and pairs >= expected:
            break
    return pairs


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_def_use_against_walks_through_random_functions(first):
    num_pairs = 0
    for seed in range(first, first + 50):
        source = random_function(random.Random(seed))
        found = {pair for pair in lines_of_def_use(source) if pair[1] > 1}
        assert walked(ast.parse(source).body[0], seed, found) == found, source
        num_pairs += len(found)
    assert num_pairs > 100


def assert_equal(graph, other):
    for mine, theirs in zip(graph, other, strict=True):
        assert np.array_equal(mine, theirs)


def test_growing_is_building_anew():
    rng = random.Random(0)
    for source in sources(rng.sample([path for path in LIBRARY if path.stat().st_size < 20000], 12)):
        growing, end = GrowingCodeGraph(), 0
        while end < len(source):
            text = source[end : end + rng.choice([1, 30, 1000, 5000])]
            growing.append(text)
            end += len(text)
            if rng.random() < 0.2 or end == len(source):
                assert_equal(growing.graph(), code_graph(source[:end]))


def test_what_a_reader_of_a_prefix_knows():
    """Between statements of the file: all that the prefix says, and nothing that comes later."""
    rng = random.Random(1)
    for source in (SOURCE, *sources(rng.sample([path for path in LIBRARY if path.stat().st_size < 20000], 8))):
        graph, places = code_graph(source), [part.start for part in top_level(source, 0)]
        for end in rng.sample(places, min(len(places), 8)):
            assert np.array_equal(code_graph(source[:end]).edges, graph.edges[graph.complete(end)])
        assert graph.complete(len(source)).all()


def test_what_cannot_be_parsed_is_left_out():
    source = "a = 1\nb = (\nc = a\n\ndef f(:\n  pass\nd = f(a)\n"
    graph = code_graph(source)
    assert len(graph.warnings) == 2
    assert graph.warnings[0].startswith("line 2: left out, '(' was never closed")
    assert graph.warnings[1] == "line 5: left out, invalid syntax"
    assert lines_of_def_use(source) == {(1, 3), (1, 7)}
    assert code_graph("\x00").warnings and len(code_graph("x = " + "(" * 5000).kinds) == 1


def test_nothing_is_a_file():
    graph = code_graph("")
    assert [NODE_KINDS[kind] for kind in graph.kinds] == ["file"]
    assert graph.edges.shape == (0, 3) and graph.complete(0).shape == (0,) and not graph.warnings


def test_too_many_nodes():
    with pytest.raises(ValueError, match=r"code graph: expected at most 3 nodes, got 5"):
        code_graph("a = 1\nb = 2", most_nodes=3)
    assert len(code_graph("a = 1\nb = 2", most_nodes=5).kinds) == 5


def test_characters_that_take_several_bytes():
    source = "ä = 'ü'; ö = ä\n"
    assert [source[a:b] for a, b in zip(*code_graph(source)[2:4], strict=True)] == ["", "ä = 'ü'", "ä = 'ü'", "ö = ä", "ö = ä"]


# What a reader knows within functions


def named(graph, source, edges, before):
    """Edges among nodes that are complete with so many logical lines, as what stands for the nodes in any text."""
    lines = graph.lines(source)
    keys = [(int(kind), int(start), name) for kind, start, name in zip(graph.kinds, graph.starts, graph.names, strict=True)]
    return {(keys[a], keys[b], EDGE_KINDS[kind]) for a, b, kind in edges.tolist() if max(lines[a], lines[b]) < before}


def known_before(source, end):
    """The edges of a text that ends here."""
    text = source[:end] + closing(source[:end])
    graph = code_graph(text)
    assert not graph.warnings
    return named(graph, text, graph.known, len(statement_ends(source[:end])))


def check_known(source, num_cuts, rng):
    graph, ends = code_graph(source), statement_ends(source).tolist()
    for number in rng.sample(range(len(ends)), min(num_cuts, len(ends))):
        expected = known_before(source, ends[number])
        found = named(graph, source, graph.known, number + 1)
        assert found == expected, (ends[number], found ^ expected)


KNOWN = """import os
total = 0
def plant(os2):
    for tree in os2:
        if total: print(total, size)
        size = os.size(tree)
        total = size
    return total, plant(size), water()
def water(*, by=os):
    global total, wet
    total += by
    wet = total
class Tree:
    os = os
    def grow(self): return self.grow(), self.count(), os
    def count(self): return self.grow(), plant, count()
try: wet = water()
except total as wet: wet = 2
else: wet
finally: wet
def dry():
    def sun():
        nonlocal wet
        wet = 0
    wet = sun()
"""


EXPECTED = {
    "imports": "1 os",
    "defines": "2 total,3 plant,9 water,11 total,13 Tree,17 wet,18 wet,21 dry",
    # Only at the end of `plant`, `print` turns out to be a variable of the file, and `total` on line 5 not to be it.
    "reads": "5 total,6 os,8 plant,9 os,11 total,12 total,14 os,15 os,16 plant,17 water,18 total,19 wet,20 wet",
    "mutates": "11 total",
    "calls": "8 3,15 15,16 15,17 9,25 22",
    "def_use": "1 9,2 18,9 17,17 19,17 20,18 20,3 4,4 6,6 7,6 8,7 8,9 11,11 12,15 15,16 16,22 25",
    "control": "4 5,5 5,4 6,4 7,17 17,17 18,18 18,17 19,17 20",
    "contains": "1 1,1 2,1 3,3 4,4 5,5 5,4 6,4 7,3 8,1 9,9 10,9 11,9 12,1 13,13 14,13 15,15 15,13 16,16 16,"
    "1 17,17 17,17 18,18 18,17 19,17 20,1 21,21 22,22 23,22 24,21 25",
}


def test_known_edges_of_a_source():
    """Statements and functions by their lines, variables by their names."""
    graph = code_graph(KNOWN)
    keys = [str(KNOWN.count("\n", 0, start) + 1) for start in graph.starts]
    keys = [name if kind == VARIABLE else key for key, name, kind in zip(keys, graph.names, graph.kinds, strict=True)]
    for number, kind in enumerate(EDGE_KINDS):
        found = {f"{keys[a]} {keys[b]}" for a, b, k in graph.known.tolist() if k == number}
        assert found == set(EXPECTED[kind].split(",")), kind


CAUSAL = [  # where text further down says something else, or says it of an earlier node
    "a = b = 0\nmatch a:\n case 1: b\n case c if b.pop(a): a\n case [d, e]: c\nprint(c, d, e)",
    "def b(): pass\nmatch a:\n case 1: pass\n case c if b(a): pass",
    "a = 0\ntry: pass\nexcept a: a\nelse: a = b\nfinally: b = a",
    "a = b = 0\ndef f():\n try: a\n except b: b\n else: a = b = 1",
    "a = 0\ndef f():\n def g(): return a\n a = 1\n def h(): return a",
    "a = 0\ndef f():\n def g():\n  nonlocal a\n  a += 1\n a = 1",
    "a = 0\ndef f():\n a\n global a\n a = 1\n def g(): return a",
    "class A:\n def f(self): self.g(), self.f(), g()\n def g(self): self.f(), self.g(), g()\ndef g(): A(), g()\ng()",
    "def f():\n g()\n def g(): g()\n g()\ndef g(): f()",
    "a = 0\nclass A:\n b = a\n a = a\n @a.c\n def f(a=a): a\n b = a",
    "while a:\n if b: c = 1\n else: print(c)\n c = 2",
    "while a and (b := a):\n while c:\n  if c: b\n  else: continue\n  b = c = a\n else: a = b\nelse: a\nb",
    "a = 0\ndef f(): # c\n  # d\n\n  print(a); a.b = 1\nif a: a; \\\n a\ndef g(): print(a)",
    "if a: \\\n b = a\n\x0c\ndef f(): \\\n  b\n",
]


@pytest.mark.parametrize("source", [KNOWN, SOURCE, *CAUSAL, *(source for source, _ in FLOWS)])
def test_known_edges_are_those_of_the_text_before(source):
    check_known(source.rstrip("\n") + "\n", 100, random.Random(0))


def test_known_edges_of_random_functions_are_those_of_the_text_before():
    for seed in range(150):
        check_known(random_function(random.Random(seed)) + "\n", 100, random.Random(seed))


def test_known_edges_of_the_library_are_those_of_the_text_before():
    rng = random.Random(2)
    for source in sources(rng.sample([path for path in LIBRARY if path.stat().st_size < 30_000], 40)):
        if not code_graph(source).warnings:
            check_known(source, 6, rng)


@pytest.mark.slow
def test_known_edges_of_much_of_the_library_are_those_of_the_text_before():
    rng = random.Random(3)
    for source in sources(path for path in LIBRARY[::3] if path.stat().st_size < 100_000):
        if not code_graph(source).warnings:
            check_known(source, 6, rng)


def check_library(paths):
    counts, num_lines, started = np.zeros(len(EDGE_KINDS), int), 0, time.process_time()
    for source in sources(paths):
        graph = code_graph(source)
        assert ((graph.edges[:, :2] >= 0) & (graph.edges[:, :2] < len(graph.kinds))).all()
        assert (graph.starts <= graph.ends).all() and (graph.ends <= len(source)).all()
        counts += np.bincount(graph.edges[:, 2], minlength=len(EDGE_KINDS))
        num_lines += source.count("\n")
    print(
        dict(zip(EDGE_KINDS, counts, strict=True)),
        f"{num_lines} lines, {num_lines / (time.process_time() - started):.0f} a second",
    )
    return counts, num_lines / (time.process_time() - started)


def test_some_of_the_standard_library():
    counts, _ = check_library(LIBRARY[::40])
    assert (counts > 0).all()


@pytest.mark.slow
def test_the_whole_standard_library():
    _, lines_a_second = check_library(LIBRARY)
    assert lines_a_second >= 20_000
