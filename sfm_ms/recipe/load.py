"""Reads a YAML recipe: finds it by name, merges its `base:`, applies `a.b=c` and reports all errors at once."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import yaml

from sfm_ms.recipe.schema import Recipe


class RecipeError(ValueError):
    """The recipe or an override is wrong; the message has one line for each error."""


class _Loader(yaml.SafeLoader):
    """YAML with `1e-3` as a number (YAML 1.1 reads it as text) and without silently repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' stands here twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789"))


def folder() -> Path:
    """The recipes that come with the package: beside its modules once installed, at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def names() -> list[str]:
    """The names of all recipes, such as `state_tracking/quick`."""
    return sorted(path.relative_to(folder()).with_suffix("").as_posix() for path in folder().rglob("*.yaml"))


def find(recipe: str) -> Path:
    """The file of a recipe given by path or by name."""
    if Path(recipe).is_file():
        return Path(recipe)
    named = folder() / f"{recipe}.yaml"
    if recipe in names():
        return named
    raise RecipeError(f"no recipe '{recipe}': neither a file nor a name that `sfm ls` prints{_nearest(recipe, names())}")


def load(recipe: str, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe of that path or name, with overrides such as `optimizer.learning_rate=1e-3`, checked.

    Raises RecipeError with one line for each thing that is wrong.
    """
    path = find(recipe)
    tree = _merged(path, ())
    errors: list[str] = []
    for override in overrides:
        _apply(override, tree, errors)
    # A recipe is named after itself: state_tracking/quick trains into runs/state_tracking-quick.
    is_packaged = path.resolve().is_relative_to(folder())
    own_name = path.resolve().relative_to(folder()).with_suffix("").as_posix().replace("/", "-") if is_packaged else path.stem
    return _checked({"name": own_name, **tree}, path, errors)


def read(path: Path) -> Recipe:
    """A resolved recipe, as a run folder holds it."""
    return _checked(_parsed(path), path, [])


def to_yaml(recipe: Recipe) -> str:
    """The resolved recipe, every field written out; `read` gives it back equal."""
    return yaml.safe_dump(_plain(dataclasses.asdict(recipe)), sort_keys=False)


def flatten(recipe: Recipe) -> dict[str, Any]:
    """The recipe as {"optimizer.learning_rate": 0.003, ...}."""
    flat: dict[str, Any] = {}

    def visit(node: Any, path: str) -> None:
        for field in dataclasses.fields(node):
            value = getattr(node, field.name)
            if dataclasses.is_dataclass(value):
                visit(value, f"{path}{field.name}.")
            else:
                flat[path + field.name] = value

    visit(recipe, "")
    return flat


def _checked(tree: dict, path: Path, errors: list[str]) -> Recipe:
    recipe = _build(Recipe, tree, "", errors)
    if errors:
        count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
        raise RecipeError("\n".join([f"{path}: {count}", *(f"  {error}" for error in errors)]))
    return recipe


def _parsed(path: Path) -> dict:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid YAML: {error}") from error
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise RecipeError(f"{path}: expected sections such as 'task:' and 'training:', got {_shown(tree)}")
    return tree


def _merged(path: Path, below: tuple[Path, ...]) -> dict:
    """The file's tree laid over the tree of its `base:`, a name or a path relative to the file."""
    if path.resolve() in below:
        raise RecipeError(f"{path}: base: goes round in a circle through {' -> '.join(p.name for p in below)}")
    tree = _parsed(path)
    base = tree.pop("base", None)
    if base is None:
        return tree
    if not isinstance(base, str):
        raise RecipeError(f"{path}: base: expected the name or path of a recipe, got {_shown(base)}")
    beside = path.parent / base
    return _laid_over(_merged(beside if beside.is_file() else find(base), (*below, path.resolve())), tree)


def _laid_over(base: dict, tree: dict) -> dict:
    """The base with the tree's values. A section of another `kind` than the base's replaces it: their keys differ."""
    merged = dict(base)
    for key, value in tree.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _laid_over(merged[key], value) if both and _are_alike(key, merged[key], value) else value
    return merged


def _are_alike(key: str, base: dict, section: dict) -> bool:
    kind = base.get("kind", getattr(getattr(Recipe, key, None), "kind", None))
    return section.get("kind", kind) == kind


def _apply(override: str, tree: dict, errors: list[str]) -> None:
    path, equals, text = override.partition("=")
    if not equals or not path:
        errors.append(f"{override}: expected an override such as optimizer.learning_rate=1e-3")
        return
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError:
        errors.append(f"{path}: expected a YAML value after '=', got {text!r}")
        return
    *sections, key = path.split(".")
    for section in sections:
        if not isinstance(tree.setdefault(section, {}), dict):
            errors.append(f"{path}: {section} is a value, not a section")
            return
        tree = tree[section]
    tree[key] = value


def _build(cls: type, tree: Any, path: str, errors: list[str]) -> Any:
    """An instance of the dataclass from a mapping; errors are collected and None stands where one was found."""
    if not isinstance(tree, dict):
        errors.append(
            f"{path.rstrip('.')}: expected a section with keys such as {dataclasses.fields(cls)[0].name}, got {_shown(tree)}"
        )
        return None
    hints = get_type_hints(cls, include_extras=True)
    errors_before = len(errors)
    for key in tree:
        if key not in hints:
            errors.append(f"{path}{key}: unknown key{_nearest(str(key), hints)}")
    values = {key: _value(hints[key], value, f"{path}{key}", errors) for key, value in tree.items() if key in hints}
    if len(errors) > errors_before:
        return None
    instance = cls(**values)
    if hasattr(instance, "problems"):
        errors.extend(f"{path}{field}: {problem}" for field, problem in instance.problems())
    return instance


def _value(hint: Any, value: Any, path: str, errors: list[str]) -> Any:
    """The value as its type hint wants it: a section, a choice, a tuple, or a number within its range."""
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, f"{path}.", errors)
    if isinstance(hint, UnionType):
        return _section_of_a_kind(get_args(hint), value, path, errors)
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), value, path, errors)
    if get_origin(hint) is Literal:
        return _choice(get_args(hint), value, path, errors)
    hint, *bounds = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    wanted = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}[hint]
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        errors.append(f"{path}: expected {wanted}, got {_shown(value)}")
    elif any(value not in bound for bound in bounds):
        errors.append(f"{path}: expected {wanted} {bounds[0]}, got {_shown(value)}")
    return value


def _section_of_a_kind(classes: tuple[type, ...], value: Any, path: str, errors: list[str]) -> Any:
    """A section whose key `kind` says which of the classes it is; the first one where it is left out."""
    by_kind = {cls.kind: cls for cls in classes}
    kind = value.get("kind", classes[0].kind) if isinstance(value, dict) else classes[0].kind
    errors_before = len(errors)
    _choice(tuple(by_kind), kind, f"{path}.kind", errors)
    return _build(by_kind[kind], value, f"{path}.", errors) if len(errors) == errors_before else None


def _choice(choices: tuple[str, ...], value: Any, path: str, errors: list[str]) -> Any:
    if value not in choices:
        errors.append(f"{path}: expected one of {', '.join(choices)}, got {_shown(value)}{_nearest(str(value), choices)}")
    return value


def _tuple(items: tuple, value: Any, path: str, errors: list[str]) -> tuple:
    any_length = items[-1] is Ellipsis
    if not isinstance(value, (list, tuple)) or (not any_length and len(value) != len(items)):
        errors.append(f"{path}: expected a list{'' if any_length else f' of {len(items)}'}, got {_shown(value)}")
        return ()
    hints = [items[0]] * len(value) if any_length else items
    return tuple(_value(hint, item, f"{path}[{i}]", errors) for i, (hint, item) in enumerate(zip(hints, value, strict=True)))


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, tuple) else node
