"""A recipe's Thinker as shapes, without its numbers, and what the gradient goes through in it.

A stage is a layer of the base or a block. The gradient goes back to the first thing that learns: what stands before that is run
forward only and keeps nothing.

Shapes: B rows and T tokens of a micro-batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

from mindspore import Parameter, nn

from sfm_ms.data.input_shape import input_shape
from sfm_ms.models.qwen2 import Layer, Qwen2
from sfm_ms.models.thinker import NO_BLOCK, Thinker, base_config_of, of_recipe
from sfm_ms.recipe import Recipe, RecipeError
from sfm_ms.train.optim import freeze

FLOAT = 4  # bytes
BYTES = {"float32": FLOAT, "float16": 2, "bfloat16": 2}


class MicroBatch(NamedTuple):
    """What is in memory at once."""

    rows: int  # B
    tokens: int  # T
    number: int  # bytes of one that is multiplied, and of a weight of the base

    @property
    def places(self) -> int:
        return self.rows * self.tokens

    @property
    def is_half(self) -> bool:
        return self.number < FLOAT


class Stage(NamedTuple):
    cell: nn.Cell  # a Layer, a DeltaBlock or a FeedForwardBlock
    is_reached: bool  # by the gradient, through it: something before it learns

    @property
    def has_gradient(self) -> bool:
        return self.is_reached or learns(self.cell)

    @property
    def is_layer(self) -> bool:
        return isinstance(self.cell, Layer)


def micro_batch(recipe: Recipe) -> MicroBatch:
    rows = recipe.training.batch_size // recipe.training.micro_batches
    return MicroBatch(rows, recipe.task.window_tokens, BYTES[recipe.model.dtype])


def thinker_of(recipe: Recipe) -> Thinker:
    """With the base's weights as zeros that take no memory; float32, which any machine can build, whatever the recipe says.

    RecipeError: training.frozen names no parameters.
    """
    sizes = dataclasses.replace(recipe.model, dtype="float32", attention="plain")
    base = Qwen2(base_config_of(sizes, recipe.task.vocabulary))
    model = of_recipe(sizes, input_shape(recipe), recipe.seed, base)
    try:
        freeze(model.get_parameters(), recipe.training.frozen)
    except ValueError as error:
        raise RecipeError(str(error)) from error
    return model


def stages(model: Thinker) -> Iterator[Stage]:
    """In order."""
    is_reached = model.base.table_YD.requires_grad
    for layer, number in zip(model.base.layers, model.block_after, strict=True):
        for cell in (layer, *(() if number == NO_BLOCK else (model.sfm[number],))):
            yield Stage(cell, is_reached)
            is_reached = is_reached or learns(cell)


def learns(cell: nn.Cell) -> bool:
    return any(parameter.requires_grad for parameter in cell.get_parameters())


def trained(model: Thinker) -> list[Parameter]:
    return list(model.trainable_params())


def bytes_of(parameter: Parameter, micro: MicroBatch) -> int:
    """As it is trained: the base's own weights are in the products' type, all others float32."""
    is_of_base = parameter.name.startswith("base.") and ".lora." not in parameter.name
    return parameter.size * (micro.number if is_of_base else FLOAT)
