"""What a part of a model costs."""

from __future__ import annotations

from typing import NamedTuple

from mindspore import nn


class Cost(NamedTuple):
    parameters: int
    flops: int  # two a multiply-add, of the forward pass for one piece of text


def cost(cell: nn.Cell, flops: int) -> Cost:
    return Cost(num_parameters(cell), flops)


def total(costs: list[Cost]) -> Cost:
    return Cost(sum(cost.parameters for cost in costs), sum(cost.flops for cost in costs))


def num_parameters(cell: nn.Cell) -> int:
    return sum(parameter.size for parameter in cell.trainable_params())
