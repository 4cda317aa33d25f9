"""What a program did, as text: its trace line by line, its variables at the end as JSON, a short reasoning that follows it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from sfm_ms.tasks.interpreter import RETURN

_NOTHING = "no change"
_SHOWN = 6  # executions of a line that a monologue tells of; of more, it tells the first and last ones


class Change(NamedTuple):
    """What the execution of a line gave to variables, and what it returned: (name, value as text), the latter under RETURN."""

    line: int
    values: tuple[tuple[str, str], ...]


def changes(source: str, trace: Iterable[tuple[int, dict[str, Any]]]) -> list[Change]:
    """Of a trace of the interpreter: after each line, what is new since the line before it in the same function."""
    function_of = _functions(source)
    last: dict[int, dict[str, str]] = {}
    told = []
    for line, variables in trace:
        texts = {name: value_text(value) for name, value in variables.items()}
        before = last.get(function_of.get(line, 0), {})
        told.append(Change(line, tuple((name, text) for name, text in texts.items() if before.get(name) != text)))
        texts.pop(RETURN, None)
        last[function_of.get(line, 0)] = texts
    return told


def _functions(source: str) -> dict[int, int]:
    """Of each line, the line where its innermost function begins; lines of the module are left out."""
    found: dict[int, int] = {}
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    for node in sorted(nodes, key=lambda node: node.lineno):  # inner ones after those around them
        found.update(dict.fromkeys(range(node.lineno + 1, node.end_lineno + 1), node.lineno))
    return found


def numbered(source: str) -> str:
    """Each line after its number: `3:     a += b`."""
    return "\n".join(f"{number}: {line}".rstrip() for number, line in enumerate(source.split("\n"), start=1))


def trace_text(source: str, told: list[Change]) -> str:
    """A line for each executed line, how it reads in `source` and what it did: `3: a += b -> a=5`, `4: return a -> return=5`."""
    lines = source.split("\n")
    effects = [f" -> {_listed(values)}" if values else "" for _, values in told]
    return "\n".join(f"{line}: {lines[line - 1].strip()}{effect}" for (line, _), effect in zip(told, effects, strict=True))


def monologue(told: list[Change], answer: str) -> str:
    """A sentence for each line of the program that did something, in the order in which they first ran, then the answer."""
    return "\n".join([*sentences(told), f"So it prints {answer}."])


def sentences(told: list[Change]) -> list[str]:
    by_line: dict[int, list[str]] = {}
    for line, values in told:
        by_line.setdefault(line, []).append(_listed(values, "returns ") or _NOTHING)
    return [_sentence(line, texts) for line, texts in by_line.items() if texts != [_NOTHING]]


def _sentence(line: int, texts: list[str]) -> str:
    if set(texts) == {_NOTHING}:
        return f"Line {line} runs {len(texts)} times."
    shown = texts if len(texts) <= _SHOWN else [*texts[: _SHOWN // 2], "...", *texts[-_SHOWN // 2 :]]
    times = "" if len(texts) == 1 else f" ({len(texts)} times)"
    return f"Line {line}{times}: {'; '.join(shown)}."


def _listed(values: tuple[tuple[str, str], ...], returns: str = f"{RETURN}=") -> str:
    return ", ".join(returns + text if name == RETURN else f"{name}={text}" for name, text in values)


def value_text(value: Any) -> str:
    """As `repr`, with the elements of sets in order."""
    match value:
        case set() | frozenset():
            return "{" + ", ".join(sorted((value_text(each) for each in value), key=_length_first)) + "}" if value else "set()"
        case list():
            return "[" + ", ".join(map(value_text, value)) + "]"
        case tuple():
            return "(" + ", ".join(map(value_text, value)) + (",)" if len(value) == 1 else ")")
        case dict():
            return "{" + ", ".join(f"{value_text(key)}: {value_text(each)}" for key, each in value.items()) + "}"
    return repr(value)


def _length_first(text: str) -> tuple[int, str]:
    return len(text), text


def slots(variables: dict[str, Any]) -> str:
    """JSON of variables: tuples and sets as arrays, the latter in order; keys that are no texts as Python writes them."""
    return json.dumps(_jsonable(variables))


def _jsonable(value: Any) -> Any:
    match value:
        case dict():
            return {key if isinstance(key, str) else value_text(key): _jsonable(each) for key, each in value.items()}
        case list() | tuple():
            return [_jsonable(each) for each in value]
        case set() | frozenset():
            return [_jsonable(each) for each in sorted(value, key=lambda each: _length_first(value_text(each)))]
        case range():
            return list(value)
    return value
