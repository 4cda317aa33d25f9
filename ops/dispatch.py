"""Which implementation of an operator runs: the one asked for, or, for `auto`, the fastest that can run here.

An operator lists its implementations in the order in which `auto` tries them. What `auto` chose is logged once under
`sfm_ms.ops`, as a warning where a faster one could not run.
"""

from __future__ import annotations

import difflib
import functools
import logging
from collections.abc import Callable
from typing import NamedTuple

import mindspore
from mindspore import nn

LOG = logging.getLogger("sfm_ms.ops")


class Implementation(NamedTuple):
    """`build(**options)` makes the Cell; `why_not()` says why it can't run on this machine, or is empty."""

    build: Callable[..., nn.Cell]
    why_not: Callable[[], str]
    is_automatic: bool = True  # False: runs only where it is asked for
    device: str = ""  # the only one that it is made for; on others `auto` passes it over without a word


def choose(operator: str, implementations: dict[str, Implementation], impl: str) -> Callable[..., nn.Cell]:
    """What builds the Cell of the implementation `impl`.

    ValueError: there is none of that name. RuntimeError: it can't run here.
    """
    if impl == "auto":
        return implementations[automatic(operator, tuple(implementations.items()))].build
    if impl not in implementations:
        near = difflib.get_close_matches(impl, ["auto", *implementations], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"impl of {operator}: expected auto or one of {', '.join(implementations)}, got {impl!r}{hint}")
    if reason := implementations[impl].why_not():
        raise RuntimeError(f"impl={impl!r} of {operator} can't run here: {reason}")
    return implementations[impl].build


@functools.cache
def warn_once(text: str) -> None:
    LOG.warning(text)


@functools.cache
def automatic(operator: str, implementations: tuple[tuple[str, Implementation], ...]) -> str:
    """The name of the first that can run; says so once."""
    reasons, device = [], mindspore.get_context("device_target")
    for name, implementation in implementations:
        if not implementation.is_automatic or implementation.device not in ("", device):
            continue
        if reason := implementation.why_not():
            reasons.append(f"{name} can't run here: {reason}")
            continue
        why = f" ({'; '.join(reasons)})" if reasons else ""
        LOG.log(logging.WARNING if reasons else logging.INFO, "%s runs as %r%s", operator, name, why)
        return name
    raise RuntimeError(f"no implementation of {operator} can run here: {'; '.join(reasons)}")
