"""Initial values of Parameters, drawn from one NumPy generator so that a seed fixes a model on every backend."""

from __future__ import annotations

import numpy as np
from mindspore import Parameter, Tensor


def normal(rng: np.random.Generator, shape: tuple[int, ...], std: float | None = None) -> Parameter:
    """Normal numbers; `std` is 1/sqrt(rows) where it is left out, which keeps the variance through `x @ parameter`."""
    std = shape[0] ** -0.5 if std is None else std
    return Parameter(Tensor((rng.standard_normal(shape) * std).astype(np.float32)))


def table(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> Parameter:
    """Normal numbers that are looked up by token: weight decay leaves them alone, for it would fade out rare tokens."""
    return _looked_up(normal(rng, shape, std))


def spread_table(rng: np.random.Generator, shape: tuple[int, int], std: float) -> Parameter:
    """A table whose rows each have 1.5 added in a column of their own, drawn at random, as long as there are columns."""
    num_rows, num_columns = shape
    rows = rng.standard_normal(shape) * std
    rows[np.arange(num_rows), rng.permutation(num_columns)[np.arange(num_rows) % num_columns]] += 1.5
    return _looked_up(Parameter(Tensor(rows.astype(np.float32))))


def _looked_up(parameter: Parameter) -> Parameter:
    parameter.is_table = True
    return parameter


def zeros(shape: tuple[int, ...]) -> Parameter:
    return Parameter(Tensor(np.zeros(shape, np.float32)))
