"""The interpreter against CPython, and what it refuses."""

import builtins
import random
import time

import pytest
from cpython import differences

from sfm_ms.tasks.interpreter import Limits, ProgramError, evaluate, execute
from sfm_ms.tasks.mutations import mutations
from sfm_ms.tasks.programs import program


def cpython(source: str) -> tuple[dict, str | None]:
    """Variables and error of a program under CPython."""
    variables: dict = {}
    try:
        exec(compile(source, "<program>", "exec"), {"__builtins__": {"range": range}}, variables)
    except Exception as error:
        return variables, f"{type(error).__name__}: {error}"
    return variables, None


class Writer:
    """Writes random programs of the interpreter's subset."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)

    def expression(self, depth: int) -> str:
        kind = self.rng.randrange(9) if depth else self.rng.randrange(2)

        def inner() -> str:
            return self.expression(depth - 1)

        match kind:
            case 0:
                return self.rng.choice("abcde")
            case 1:
                return self.rng.choice(["0", "1", "7", "100", "-3", "2.5", "True"])
            case 2 | 3:
                return f"({inner()} {self.rng.choice(['+', '-', '//', '%', '/'])} {inner()})"
            case 4:  # by a constant: squares in nested loops would grow without bound
                return f"({inner()} * {self.rng.randint(-3, 9)})"
            case 5:
                return f"({inner()} {self.rng.choice(['<', '<=', '==', '!=', '>', '>='])} {inner()} < {inner()})"
            case 6:
                return f"({inner()} {self.rng.choice(['and', 'or'])} {inner()} or {inner()})"
            case 7:
                return f"({inner()} if {inner()} else {inner()})"
            case _:
                return f"({self.rng.choice(['not ', '-', '+'])}({inner()}))"

    def statements(self, depth: int, indent: str = "", in_loop: bool = False) -> list[str]:
        def body(loop: bool = False) -> list[str]:
            return self.statements(depth - 1, indent + "    ", in_loop or loop)

        lines = []
        for _ in range(self.rng.randint(1, 4)):
            a, b = self.rng.sample("abcde", 2)
            kind = self.rng.randrange(9) if depth else self.rng.randrange(5)
            match kind:
                case 0 | 1:
                    lines.append(f"{indent}{a} = {self.expression(2)}")
                case 2:
                    lines.append(f"{indent}{a}, {b} = {b}, {self.expression(1)}")
                case 3:
                    lines.append(f"{indent}{a} {self.rng.choice(['+=', '-=', '//=', '%='])} {self.expression(1)}")
                case 4:
                    lines.append(indent + (self.rng.choice(["break", "continue", "pass"]) if in_loop else "pass"))
                case 5 | 6:
                    lines += [f"{indent}if {self.expression(2)}:", *body(), f"{indent}else:", *body()]
                case 7:
                    lines += [f"{indent}for {a} in range({self.rng.randint(0, 4)}):", *body(True), f"{indent}else:", *body()]
                case 8:
                    turns = f"i{depth}"  # nested loops count with other variables, so every loop ends
                    lines += [f"{indent}{turns} = 0", f"{indent}while {turns} < {self.rng.randint(0, 4)}:"]
                    lines += [f"{indent}    {turns} += 1", *body(True)]
        return lines

    def program(self) -> str:
        return "\n".join([f"{name} = {self.rng.randint(-9, 99)}" for name in "abcd"] + self.statements(3))


def test_thousands_of_programs_end_as_under_cpython():
    num_errors = 0
    for seed in range(1500):
        source = Writer(seed).program()
        variables, error = cpython(source)
        ours = execute(source, limits=Limits(integer_bits=10**6))
        assert (ours.error or "").rpartition(" (line")[0] == (error or ""), source
        assert {name: (type(value), repr(value)) for name, value in ours.variables.items()} == {
            name: (type(value), repr(value)) for name, value in variables.items()
        }, source
        num_errors += error is not None
    assert 100 < num_errors < 1400  # both kinds of programs were there


def test_trace_has_the_variables_after_every_statement():
    run = execute("a = 1\nif a:\n    b = a + 1\na, b = b, a")
    assert run.trace == [(1, {"a": 1}), (3, {"a": 1, "b": 2}), (4, {"a": 2, "b": 1})]
    assert run.error is None


def test_store_is_applied_to_every_value_a_variable_takes():
    source = "a = 70\na = a + a\nb = a - 120\nb += 7\nfor c in range(99, 103):\n    pass"
    run = execute(source, store=lambda value: min(max(value, 0), 100))
    assert run.variables == {"a": 100, "b": 7, "c": 100}


def test_evaluate():
    assert evaluate("a = 3\nb = a * a", "b - a if a < b else 0") == 6
    with pytest.raises(ProgramError, match="name 'c' is not defined"):
        evaluate("a = 3", "c")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("a = 1\na = b", "NameError: name 'b' is not defined (line 2)"),
        ("a = 1 // 0", "ZeroDivisionError: integer division or modulo by zero (line 1)"),
        ("a = = 1", "SyntaxError: invalid syntax (line 1)"),
        ("import os", "Unsupported: Import is not in the subset (line 1)"),
        ("a = 1\nclass b: pass", "Unsupported: ClassDef is not in the subset (line 2)"),
        ("a = b'text'", "Unsupported: a constant of type bytes is not in the subset (line 1)"),
        ("a = __import__('os')", "Unsupported: __import__ is not in the subset (line 1)"),
        ("a = (1).real", "Unsupported: attribute 'real' of int is not in the subset (line 1)"),
        ("break", "SyntaxError: 'break' outside loop (line 1)"),
        ("if 1:\n    continue", "SyntaxError: 'continue' not properly in loop (line 2)"),
        ("while 1:\n    pass", "StepLimit: more than 100 steps (line 2)"),
        ("a = 2\nwhile 1:\n    a = a * a", "IntegerLimit: a number of more than 4096 bits (line 3)"),
        ("a = 9 ** 9 ** 9", "IntegerLimit: a number of more than 4096 bits (line 1)"),
        ("a = 1\x00", "SyntaxError: source code string cannot contain null bytes"),
    ],
)
def test_errors_name_the_line_and_keep_what_ran_before(source, error):
    run = execute(source, limits=Limits(steps=100))
    assert run.error == error
    if source.startswith("a = 1\na"):
        assert run.variables == {"a": 1}


def test_deep_nesting_is_an_error_not_a_crash():
    assert "Error" in execute("a = " + "(" * 5000 + "1" + ")" * 5000).error
    assert "Recursion" in execute("a = " + "-" * 50_000 + "1").error or "Memory" in execute("a = " + "-" * 50_000 + "1").error


# What generated programs hold little or nothing of; each block is a program.
PROGRAMS = """
def outer(n):
    count = 0
    def inner(step=2, *rest, scale=1, **more):
        nonlocal count
        count += step * scale + len(rest) + sum(more.values())
        return count
    inner()
    inner(3, 4, 5, scale=2, extra=7)
    return inner, count, n
inner, count, n = outer(1)
again = inner()
---
total = 0
def add(x):
    global total
    total += x
    def deeper():
        return total * 2
    return deeper()
values = [add(i) for i in range(4)]
---
def f():
    try:
        for i in range(5):
            try:
                if i == 1:
                    continue
                if i == 3:
                    break
                x = 10 // i
            except ZeroDivisionError as error:
                x = str(error)
            else:
                x += 1
            finally:
                i += 100
    finally:
        y = 5
    return x, y, i
result = f()
---
def f(x):
    try:
        if x > 2:
            raise ValueError('big', x)
        raise KeyError(x)
    except ValueError as error:
        kinds = error.args
        raise RuntimeError(str(error)) from error
    except (LookupError, TypeError):
        return 'lookup'
    finally:
        x = -1
a = f(1)
try:
    b = f(3)
except RuntimeError as error:
    b = repr(error)
c = f(5)
---
try:
    try:
        int('x')
    except ValueError:
        raise
except Exception as e:
    message = f'{e!r:>70}|{str(e)!s:.5}|{1.5:+08.2f}|{1234567:,}|{7:b}|{True}|{None}|{[1, "a"]}'
e
---
fib = lambda n: n if n < 2 else fib(n - 1) + fib(n - 2)
a = [fib(i) for i in range(9)]
makers = [lambda: i for i in range(3)]
b = [make() for make in makers]
makers = [lambda i=i: i for i in range(3)]
c = [make() for make in makers]
---
a, (b, *c), d = 1, [2, 3, 4], 'x'
*e, f = {7: 1, 8: 2}
x = y = []
x += (1, 2)
x *= 2
y[1:3] = 'abc'
del y[0], y[::2]
z = y[::-1] + x[-2:]
grid = [[0] * 3 for _ in range(2)]
grid[1][2] += 5
grid[0], grid[1] = grid[1], grid[0]
same = [[]] * 2
same[0].append(1)
---
d = {'a': 1, **{'b': 2}, 3: None}
d['c'] = d.pop('a') + d.setdefault('q', 9)
del d[3]
keys, items = list(d), sorted(d.items(), key=lambda pair: -pair[1])
inverse = {value: key for key, value in d.items() if value}
e = d | {'z': 0}
e.update([('y', 1)], w=2)
there = 'a' in d, 2 in d.values(), ('b', 2) in d.items(), d == {**d}
d.get([])
---
s = {3, 1, 2} | {5} & {5, 6} ^ {1}
t = sorted({'b', 'a'} | {'c'}), len({1, True, 1.0}), {1, 2} <= {1, 2, 3}, {1}.union([2], (3,))
s.discard(9)
s.add(4)
s -= {1}
ordered = [x for x in s], max(s), sum(s), 4 in s
f = frozenset(range(3)) == {0, 1, 2}
s.remove(99)
---
t = 'Hello, World'
u = t.lower().split(', '), t[::-2], t[-5:], t.find('o', 5), t.replace('l', 'L', 2), t.partition(','), t.count('l')
v = '-'.join(str(i) for i in range(4)), t.center(20, '*'), '7'.zfill(3), ' x '.strip(), 'a\\nb'.splitlines(), t.swapcase()
w = 'ab' * 3 < 'abb', 'b' in 'abc', '%s=%05.1f' % ('x', 2.25), '{0}-{1:>4}-{name}'.format(1, 2, name='n'), 'ß'.upper()
x = [c.isdigit() for c in 'a1'], ord('a'), chr(98), 'abc'.index('z')
---
a = list(zip([1, 2, 3], 'ab')), list(enumerate('ab', 1)), list(map(lambda x, y: x * y, [1, 2], [3, 4])), divmod(-7, 2)
b = list(filter(None, [0, 1, '', 'x'])), list(reversed(range(3))), round(2.5), round(-1234, -2), round(1.005, 2), pow(3, 4, 5)
c = any([]), all(x > 0 for x in [1, 0, 2]), min('b', 'a'), max([3, 1], default=0), max([], default=7), sum([[1], [2]], [])
d = isinstance(True, int), type(1.0) == float, int('-12'), int('ff', 16), float('1e3'), bool([]), str([1.0, 'x']), 7 // -2, -7 % 3
g = (x * y for x in range(3) for y in range(x))
h = sum(g), sum(g), next(iter([5])), next(iter([]), 'none'), sorted('bca', reverse=True), tuple('ab'), 2 ** -1, 1 << 5, ~6
min([])
---
n = 0
while True:
    n += 1
    if n % 2:
        continue
    if (half := n // 2) > 3:
        break
else:
    n = -1
for i in range(2):
    pass
else:
    i = 'done'
squares = [y for x in range(5) if (y := x * x) % 2 == 0]
k = 1 < n < 100 != 5, 'a' if n else 'b', not n, n and 0 or 'z'
assert n > 100, f'{n} is small'
---
def f(a, b=2, /, c=3, *, d):
    return a, b, c, d
x = f(1, d=4), f(1, 2, c=5, d=6), f(*[1, 2], **{'d': 0})
for arguments, words in [((), {}), ((1, 2, 3, 4), {'d': 1}), ((1,), {'e': 1}), ((1,), {'a': 1, 'd': 2}), ((1, 2), {'c': 1})]:
    try:
        f(*arguments, **words)
    except TypeError as error:
        print(len(x), str(error))
def g(x, y):
    z
g(1, 2, 3)
---
def g(x, y):
    local = x
    if x < 0:
        later = 1
    return later
print(g.__class__ if False else 'ok', end='')
a = [g(-1, 0), g(1)]
---
def g(x):
    if x < 0:
        later = 1
    return later
a = [g(-1)]
b = g(1)
---
names = {}
for line in ['a=1', 'b=x', 'c']:
    try:
        name, value = line.split('=')
        names[name] = int(value)
    except ValueError as error:
        names[line] = error.args[0]
x, y = 1, 2, 3
---
def f(items, seen=[]):
    seen.append(len(items))
    return seen
f('a'), f('bc')
seen = f('')
d = {1: 2}
for k in d:
    d[k + 1] = 0
---
x = [1, 2, 3]
try:
    x[5]
except IndexError as e:
    a = str(e)
try:
    x['a']
except TypeError as e:
    b = str(e)
try:
    x.missing
except AttributeError as e:
    c = str(e)
try:
    'a' + 1
except TypeError as e:
    d = str(e)
try:
    len(5), 5[0]
except TypeError as e:
    f = str(e)
try:
    None()
except TypeError as e:
    g = str(e)
raise NotImplementedError
---
def gen_sum(n):
    return sum(i for i in range(n) if i % 2)
rows = [[i * j for j in range(3)] for i in range(3)]
turned = [list(row) for row in zip(*rows)]
flat = [x for row in rows for x in row if x]
nested = {i: {j for j in range(i)} for i in range(3)}
best = max(nested, key=lambda i: len(nested[i]))
text = ''.join(sorted({c for c in 'hello'}))
assert gen_sum(6) == 9 and not (0.1 + 0.2 == 0.3)
assert flat == []
""".strip().split("\n---\n")


def test_programs_of_all_that_the_subset_has_run_as_under_cpython():
    assert differences(PROGRAMS) == []
    assert sum(execute(source).error is not None for source in PROGRAMS) > 9  # of which many end by an exception


def test_slips_in_programs_have_the_consequences_that_they_have_under_cpython():
    changed = []
    for difficulty in (1, 2, 3, 4, 5):
        for number in range(50):
            rng = random.Random(f"slips {difficulty} {number}")
            slips = mutations(program(rng, difficulty))
            changed += [rng.choice(slips).source for _ in range(2)]
    ending = [source for source in changed if "Limit" not in (execute(source, limits=Limits(steps=3000)).error or "")]
    assert len(ending) > 0.9 * len(changed)
    assert differences(ending) == []
    errors = {execute(source).error.split(":")[0] for source in ending if execute(source).error}
    assert errors >= {"IndexError", "TypeError", "ValueError", "UnboundLocalError"}, errors


def test_the_trace_of_calls_loops_and_returns():
    source = "def f(n):\n    for i in range(n):\n        if i:\n            return [i]\nx = f(2)\ng = f"
    assert execute(source).trace == [
        (1, {}),
        (2, {"n": 2, "i": 0}),
        (2, {"n": 2, "i": 1}),
        (4, {"n": 2, "i": 1, "return": [1]}),
        (5, {"x": [1]}),
        (6, {"x": [1]}),
    ]


def test_the_trace_holds_copies():
    (_, first), (_, second), (_, third) = execute("a = [[1]]\na[0].append(2)\na = {1: a}").trace
    assert (first, second, third) == ({"a": [[1]]}, {"a": [[1, 2]]}, {"a": {1: [[1, 2]]}})


INVALID = [
    "for i in [1]:\n    pass\nelse:\n    break",
    "while 1:\n    def f():\n        continue",
    "return 1",
    "if 1:\n    return",
    "nonlocal a",
    "x = 1\nprint(sep='', sep='')",
    "def f(a, b, a): pass",
    "f = lambda a, *a: a",
    "*a = [1]",
    "*a, *b = [1]",
    "try:\n    1\nexcept:\n    2\nexcept ValueError:\n    3",
    "def f():\n    x = 1\n    global x",
    "def f():\n    print(x)\n    global x",
    "def f(x):\n    global x",
    "def f(x):\n    def g():\n        x = 1\n        nonlocal x",
    "x = 1\nglobal x",
]


@pytest.mark.parametrize("source", INVALID)
def test_what_python_refuses_before_it_runs(source):
    with pytest.raises(SyntaxError) as refused:
        compile(source, "<program>", "exec")
    run = execute("y = 1\n" + source)
    assert run.error == f"SyntaxError: {refused.value.msg} (line {refused.value.lineno + 1})" and run.variables == {}


ENDLESS = "while True:\n    {}\n"
HOSTILE = {
    "StepLimit": [
        ENDLESS.format("pass"),
        ENDLESS.format("try:\n        while 1: pass\n    except:\n        pass"),
        ENDLESS.format("try:\n        1 / 0\n    except Exception:\n        continue\n    finally:\n        continue"),
        "def f():\n    try:\n        while 1: pass\n    finally:\n        return 1\nwhile 1: f()",
        "x = any(i < 0 for i in range(10**12))",
        "x = list(map(lambda i: i, range(10**12)))",
        "x = [i for i in range(10**12)]",
    ],
    "MemoryLimit": [
        "a = 'a' * 10**9",
        "a = [0]\nfor i in a: a.append(i)",
        "a = 10**9 * ['x']",
        "a = [0] * 10**9",
        "a = 'ab'\nwhile 1: a = a + a",
        "a = [1]\nwhile 1: a += a",
        "a = [1]\nwhile 1: a.extend(a)",
        "a = [1]\nwhile 1: a[:] = a + a",
        "a = [1]\nwhile 1:\n    try:\n        a = a * 2\n    except:\n        pass",
        "a = f'{1:1000000000}'",
        "a = f'{1:{10**9}}'",
        "a = f'{1.5:.1000000000f}'",
        "a = '%1000000000d' % 1",
        "a = '{:1000000000}'.format(1)",
        "a = format(1, '1000000000')",
        "a = 'x'.ljust(10**9)",
        "a = '1'.zfill(10**9)",
        "a = 'x' * 10**5\na = a.replace('x', a)",
        "a = 'x' * 10**5\na = a.join(a)",
        "a = ','.join(['x' * 10**5] * 10**5)",
        "a = list(range(10**12))",
        "a = sum(range(10**12))",
        "a = max(range(10**12))",
        "a = 0.5 in range(10**12)",
        "a = dict(zip(range(10**12), range(10**12)))",
        "a, *b = range(10**12)",
        "print(*range(10**12))",
        "while 1: print('x' * 1000)",
        "a = []\nfor i in range(39): a = [a, a]\nb = str(a)",
        "a = []\nfor i in range(39): a = [a, a]\nb = a == a",
        "a = ()\nfor i in range(39): a = (a, a)\nb = {a}",
        "a = [[1] * 10**4] * 10**4\na.sort()",
        "a = sum([[1] * 1000] * 10**4, [])",
        "def f(): return f\nwhile 1: a = [f] * 1000",
    ],
    "IntegerLimit": [
        "a = 10 ** 10 ** 9",
        "a = 1 << 10**9",
        "a = pow(2, 10**9)",
        "a = 2\nwhile 1: a *= a",
        "a = round(5, -10**9)",
        "a = int('9' * 4000)",
        "try:\n    a = 7 ** 10**8\nexcept:\n    a = 0",
    ],
    "DepthLimit": [
        "def f(): return f()\nf()",
        "def f():\n    try:\n        return f()\n    except:\n        return f()\nf()",
        "f = lambda g: g(g)\nf(f)",
        "f = lambda x: sorted([x], key=f)\nf(1)",
        "a = ()\nwhile 1: a = (a,)",
        "a = []\na.append(a)\nb = repr(a)",
        "def f(n): return [f(n + 1) for i in range(2)]\nf(0)",
    ],
    "Unsupported": [
        "import os",
        "from os import system",
        "__import__('os')",
        "a = open('/etc/passwd')",
        "eval('1')",
        "exec('a = 1')",
        "getattr(1, 'real')",
        "globals()",
        "input()",
        "().__class__.__bases__",
        "''.join.__self__",
        "(lambda: 0).__globals__",
        "def f(): pass\nf.__code__",
        "try:\n    1 / 0\nexcept Exception as e:\n    e.__traceback__",
        "'{0.__class__}'.format(1)",
        "'{0[0]}'.format([1])",
        "'{:{}}'.format(1, 10**9)",
        "'%*d' % (10**9, 1)",
        "type('X', (), {})",
        "type(1).mro()",
        "class A: pass",
        "with open('x') as f: pass",
        "def f(): yield 1",
        "async def f(): pass",
        "@print\ndef f(): pass",
        "a: int = 1",
        "def f(a: int): pass",
        "a = 1j",
        "a = ...",
        "a = 'x' is 'x'",
        "for x in {'a', 'b'}: pass",
        "a = str({'a', 'b'})",
        "a = str(print) + str(lambda: 0)",
        "try:\n    import os\nexcept:\n    a = 1",
        "raise SystemExit",
        "raise KeyboardInterrupt",
        "match 1:\n    case 1: pass",
        "sorted()",
        "'a'.encode()",
    ],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_programs_end_within_limits(kind):
    before = set(vars(builtins))
    for source in HOSTILE[kind]:
        start = time.process_time()
        run = execute(source, limits=Limits(steps=20_000, cells=500_000, seconds=60))
        assert run.error is not None and run.error.startswith(kind), f"{source}\n{run.error}"
        assert " (line " in run.error
        assert time.process_time() - start < 3, source
    assert set(vars(builtins)) == before


def test_time_is_limited_too():
    run = execute("while 1: pass", limits=Limits(steps=10**9, seconds=0.05))
    assert run.error == "TimeLimit: more than 0.05 seconds (line 1)"


def test_what_the_program_may_not_catch_ends_it_at_once():
    source = "a = []\ntry:\n    a = [1]\n    b = [0] * 10**9\nexcept:\n    a = [2]\nelse:\n    a = [3]\nfinally:\n    a.append(4)"
    run = execute(source)
    assert run.variables == {"a": [1]} and run.error.startswith("MemoryLimit")
    for ending in ("import os", "a = 1 << 10**9", "f = lambda: f()\n    f()"):
        assert execute(f"a = 0\ntry:\n    {ending}\nexcept:\n    a = 1\nfinally:\n    a = 2").variables == {"a": 0}


def test_output_and_results_that_are_no_data():
    run = execute("print(1, 'a', sep='-')\nprint([None], end='')\nf = print\ng = (x for x in 'a')")
    assert run.output == "1-a\n[None]" and run.variables == {}
    assert evaluate("def f(n):\n    return n * 2", "[f(3), f('a')]") == [6, "aa"]
    with pytest.raises(ProgramError, match="a result of type function"):
        evaluate("def f(n):\n    return n * 2", "f")
