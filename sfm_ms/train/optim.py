"""AdamW with bias correction, learning rates by group of parameters, clipping by the global norm, and the rates' schedule."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.recipe.schema import Optimizer
from sfm_ms.train import checkpoint

quotient = ops.RealDiv()  # `/` keeps a table of 16 bytes for each result on MindSpore's CPU


def learning_rate(config: Optimizer, step: int, num_steps: int) -> float:
    """Linear warm-up to the peak, then a cosine to the final rate at the last step; steps count from 0."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, num_steps - 1 - config.warmup_steps)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * cosine


def freeze(parameters: Iterable[Parameter], prefixes: Collection[str]) -> None:
    """Take from training what the prefixes name, for good: no gradient is computed of it and no moments are kept.

    A prefix is a parameter's name or the beginning of one up to a dot. Raises ValueError where one names nothing.
    """
    parameters = list(parameters)
    for parameter in parameters:
        parameter.requires_grad = parameter.requires_grad and longest(prefixes, parameter.name) is None
    _refuse_unknown("training.frozen", prefixes, [parameter.name for parameter in parameters])


def longest(prefixes: Collection[str], name: str) -> str | None:
    """The longest of the prefixes that the name begins with."""
    return max((prefix for prefix in prefixes if f"{name}.".startswith(f"{prefix}.")), key=len, default=None)


def _refuse_unknown(field: str, prefixes: Collection[str], names: Collection[str]) -> None:
    for prefix in prefixes:
        if all(longest([prefix], name) is None for name in names):
            known = ", ".join(sorted({name.split(".")[0] for name in names}))
            raise ValueError(f"{field}: no parameter's name begins with '{prefix}.'; they begin with {known}")


class Update(nn.Cell):
    """(learning rate, *gradients in the order of `parameters_in_order`) -> norm of the gradients before clipping.

    AdamW (Loshchilov and Hutter 2019, algorithm 2). A group's rate is the given one times what its peak is of the recipe's
    peak, so all follow one schedule; where several groups' prefixes fit, the longest counts. Of parameters in float16 or
    bfloat16 a master copy in float32 is updated, which the parameter is rounded from (Micikevicius et al. 2018, section 3.1).
    Only parameters at the places `owned` among `parameters_in_order` are updated and have moments; None: all of them.
    Gradients are single arguments because graph mode takes a tuple for a constant and would compile anew at each call.
    """

    def __init__(self, parameters: list[Parameter], config: Optimizer, owned: Collection[int] | None = None):
        super().__init__(auto_prefix=False)  # parameters keep their names
        self.parameters_in_order = in_order(parameters)
        names = [parameter.name for parameter in self.parameters_in_order]
        peaks = {group.prefix: group.learning_rate for group in config.groups}
        _refuse_unknown("optimizer.groups", peaks, names)
        self.owned = tuple(range(len(names)) if owned is None else sorted(owned))
        own = [self.parameters_in_order[i] for i in self.owned]
        own_peaks = [peaks.get(longest(peaks, parameter.name), config.learning_rate) for parameter in own]
        self.rates = [peak / config.learning_rate for peak in own_peaks]
        self.decays = [config.weight_decay if _decays(parameter) else 0.0 for parameter in own]
        self.betas, self.epsilon, self.clip_norm = config.betas, config.epsilon, config.clip_norm
        self.own, self.masters = ParameterTuple(own), ParameterTuple([_master(parameter) for parameter in own])
        self.begin()

    def begin(self) -> None:
        """Makes the moments and the step count of before the first update."""
        self.first_moments, self.second_moments = (
            ParameterTuple([_zeros(f"{moment}.{parameter.name}", parameter.shape) for parameter in self.own])
            for moment in ("first_moment", "second_moment")
        )
        self.num_updates = Parameter(Tensor(0, mstype.int32), name="num_updates")

    def construct(self, rate, *gradients):
        norm, factor = self.clipping(gradients)
        num_updates = ops.assign_add(self.num_updates, Tensor(1, mstype.int32))
        biases = [1 - ops.pow(beta, num_updates) for beta in self.betas]
        last = factor
        for i in range(len(self.owned)):  # one after the other: all on the way at once would take several times the memory
            gradient = ops.depend(gradients[self.owned[i]], last).astype(mstype.float32) * factor
            last = self.step(i, rate * self.rates[i], gradient, biases)
        return ops.depend(norm, last)

    def clipping(self, gradients):
        """-> the norm of all together, and what to multiply each by."""
        norm = ops.sqrt(sum_of_squares(gradients))
        return norm, self.clip_norm / ops.maximum(norm, self.clip_norm)

    def step(self, i, rate, gradient, biases):
        """-> the parameter's new value."""
        beta_1, beta_2 = self.betas
        first = self.first_moments[i] * beta_1 + gradient * (1 - beta_1)
        second = self.second_moments[i] * beta_2 + gradient * gradient * (1 - beta_2)
        direction = quotient(first, quotient(ops.sqrt(second), ops.sqrt(biases[1])) + self.epsilon)
        new = self.masters[i] * (1 - rate * self.decays[i]) - direction * (rate / biases[0])
        ops.assign(self.first_moments[i], first)
        ops.assign(self.second_moments[i], second)
        ops.assign(self.masters[i], new)
        self.round_own(i, new)
        return new

    def round_own(self, i, new):
        """Of half types, which have a master copy."""
        if self.own[i].dtype != mstype.float32:
            ops.assign(self.own[i], new.astype(self.own[i].dtype))

    def arrays(self) -> dict[str, np.ndarray]:
        """The state's values, for a checkpoint."""
        return checkpoint.arrays(self.state())

    def restore(self, saved: Mapping[str, np.ndarray]) -> None:
        """Raises CheckpointError unless it is the state of such an Update."""
        checkpoint.restore(self.state(), saved)

    def state(self) -> dict[str, Parameter]:
        """Moments, master copies and the step count, by name: with the model's parameters, all that training needs to go on."""
        values = {"first_moment": self.first_moments, "second_moment": self.second_moments, "master": self.masters}
        state = {f"{kind}.{own.name}": values[kind][i] for i, own in enumerate(self.own) for kind in kinds_of_state(own)}
        return {**state, "num_updates": self.num_updates}


def sum_of_squares(tensors):
    """Float32."""
    total = Tensor(0.0, mstype.float32)
    for tensor in tensors:
        tensor = ops.depend(tensor, total).astype(mstype.float32)
        total = total + (tensor * tensor).sum()
    return total


def in_order(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Those that weights decay of and then the others."""
    return sorted(parameters, key=_decays, reverse=True)


def kinds_of_state(parameter: Parameter) -> tuple[str, ...]:
    """What is kept of a parameter between updates, each in its shape and in float32."""
    return ("first_moment", "second_moment") + (() if parameter.dtype == mstype.float32 else ("master",))


def _decays(parameter: Parameter) -> bool:
    return parameter.ndim > 1 and not getattr(parameter, "is_table", False)


def _master(parameter: Parameter) -> Parameter:
    """The parameter itself, or a copy in float32."""
    if parameter.dtype == mstype.float32:
        return parameter
    return Parameter(parameter.astype(mstype.float32), name=f"master.{parameter.name}")


def _zeros(name: str, shape: tuple[int, ...]) -> Parameter:
    return Parameter(Tensor(np.zeros(shape, np.float32)), name=name)
