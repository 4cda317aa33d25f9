"""The interpreter against CPython, and what it refuses."""

import random

import pytest

from sfm_ms.tasks.interpreter import Limits, ProgramError, evaluate, execute


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
    for seed in range(4000):
        source = Writer(seed).program()
        variables, error = cpython(source)
        ours = execute(source, limits=Limits(integer_bits=10**6))
        assert (ours.error or "").rpartition(" (line")[0] == (error or ""), source
        assert {name: (type(value), repr(value)) for name, value in ours.variables.items()} == {
            name: (type(value), repr(value)) for name, value in variables.items()
        }, source
        num_errors += error is not None
    assert 100 < num_errors < 3900  # both kinds of programs were there


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
        ("a = 1\nb = (lambda: a)()", "Unsupported: Call is not in the subset (line 2)"),
        ("a = 'text'", "Unsupported: Constant is not in the subset (line 1)"),
        ("a = __import__('os')", "Unsupported: Call is not in the subset (line 1)"),
        ("a = (1).real", "Unsupported: Attribute is not in the subset (line 1)"),
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
