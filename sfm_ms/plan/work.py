"""Floating-point operations of a step of a Thinker's training, and how long it is projected to take.

Operations are two a multiply-add, of matrix products alone. A product's backward pass is one product for the gradient of its
input, where something before it learns, and one for that of its weight, where that learns. Layers of `model.recompute` and the
logits are computed anew: operations that a device makes but the mathematics does not ask for, so that model FLOPs utilisation
(MFU; Chowdhery et al. 2022, "PaLM", appendix B) does not count them.

Shapes: N places and T tokens of a micro-batch, D width, Y tokens in the vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

from mindspore import Parameter

from sfm_ms.models.qwen2 import Layer
from sfm_ms.models.thinker import FeedForwardBlock, Thinker
from sfm_ms.nn.delta_block import DeltaBlock
from sfm_ms.nn.linear import matrices, num_products
from sfm_ms.plan import activations
from sfm_ms.plan.memory import num, own_share
from sfm_ms.plan.stages import FLOAT, MicroBatch, Stage, bytes_of, learns, micro_batch, stages, trained
from sfm_ms.recipe import Recipe

SHARE_OF_PEAK = 0.5  # that products reach: assumed
OF_ADAM = 6  # float32 numbers read or written for each one that is updated: parameter and both moments


class Work(NamedTuple):
    """FLOPs."""

    forward: int
    backward: int = 0
    again: int = 0  # of the forward pass, in the backward pass

    @property
    def needed(self) -> int:
        return self.forward + self.backward

    @property
    def made(self) -> int:
        return self.needed + self.again


class Times(NamedTuple):
    """Seconds of a step, on each device; one after the other."""

    products: float
    memory: float
    link: float
    utilisation: float  # of the peak, by the FLOPs that are needed

    @property
    def step(self) -> float:
        return self.products + self.memory + self.link


def of_micro_batch(model: Thinker, recipe: Recipe) -> Work:
    micro = micro_batch(recipe)
    parts = [of_stage(stage, micro, recipe.model.recompute) for stage in stages(model)]
    parts += [of_logits(model, micro), of_heads(model, micro.rows * recipe.task.max_samples)]
    return Work(*(sum(amounts) for amounts in zip(*parts, strict=True)))


def of_stage(stage: Stage, micro: MicroBatch, is_recomputed: bool) -> Work:
    cell = stage.cell
    forward = of_layer(cell, micro) if stage.is_layer else micro.rows * cell.flops(micro.tokens)
    if not stage.has_gradient:
        return Work(forward)
    of_products = [2 * micro.places * matrix.size for matrix in matrices(cell)]
    of_weights = 2 * micro.places * num([matrix for matrix in matrices(cell) if matrix.requires_grad])
    not_asked_for = 0 if stage.is_reached else 2 * micro.places * num(first_matrices(cell))
    others = 2 * (forward - sum(of_products))  # attention and the delta rule: both factors have a gradient
    return Work(forward, sum(of_products) - not_asked_for + of_weights + others, forward * is_recomputed)


def of_layer(layer: Layer, micro: MicroBatch) -> int:
    """Attention as it is computed, also with keys that are hidden."""
    of_attention = 2 * micro.tokens * layer.attention.query.weight_XY.shape[1]
    return 2 * micro.places * (num(matrices(layer)) + of_attention)


def first_matrices(cell) -> list[Parameter]:
    """Those that multiply what the stage reads."""
    if isinstance(cell, DeltaBlock):
        return [cell.down_DC]
    if isinstance(cell, FeedForwardBlock):
        return [cell.feed_forward.gate.weight_XY, cell.feed_forward.up.weight_XY]
    return [projection.weight_XY for projection in (cell.attention.query, cell.attention.key, cell.attention.value)]


def of_logits(model: Thinker, micro: MicroBatch) -> Work:
    head = model.base.head()
    forward, is_reached = 2 * micro.places * head.size, reaches_end(model)
    return Work(forward, forward * (is_reached + head.requires_grad), forward)


def of_heads(model: Thinker, num_samples: int) -> Work:
    """The judge's hears its gradient, what is hidden does not hear that of the surprise."""
    judge, surprise = (2 * num_samples * num_products(head) for head in (model.judge_head, model.surprise_head))
    of_weights = judge * learns(model.judge_head) + surprise * learns(model.surprise_head)
    return Work(judge + surprise, of_weights + judge * reaches_end(model))


def reaches_end(model: Thinker) -> bool:
    """Whether a gradient is asked for of what the stages give."""
    return any(stage.has_gradient for stage in stages(model))


def projected(model: Thinker, recipe: Recipe) -> Times | None:
    """Computed, not measured: products at SHARE_OF_PEAK, then all bytes that are moved, then messages; None: peak unknown.

    Nothing is assumed to overlap, and operators to wait for nothing else.
    """
    hardware = recipe.hardware
    if not hardware.peak_tflops:
        return None
    work, peak = of_micro_batch(model, recipe), hardware.peak_tflops * 1e12
    products = recipe.training.micro_batches * work.made / (SHARE_OF_PEAK * peak)
    memory = seconds(of_memory(model, recipe), hardware.memory_gb_per_s)
    link = seconds(of_link(model, recipe), hardware.link_gb_per_s)
    needed = recipe.training.micro_batches * work.needed / peak
    return Times(products, memory, link, needed / (products + memory + link))


def of_memory(model: Thinker, recipe: Recipe) -> float:
    """Bytes that a device moves from and to its memory in a step.

    A micro-batch reads the weights in each pass; writes and reads what is kept, and as much of gradients; writes and reads
    gradients and adds them to their sums. The update reads the sums, for their norm and again, and its share of Adam's.
    """
    micro, parameters = micro_batch(recipe), trained(model)
    passes = 2 + recipe.model.recompute
    of_weights = passes * sum(bytes_of(parameter, micro) for parameter in model.get_parameters())
    of_activations = 2 * passes * activations.kept(model, micro, recipe.model.attention == "flash", is_recomputed=False)
    of_gradients = sum(2 * bytes_of(parameter, micro) + 2 * FLOAT * parameter.size for parameter in parameters)
    of_update = 2 * FLOAT * num(parameters) + OF_ADAM * FLOAT * num(own_share(parameters, recipe.hardware.devices))
    return recipe.training.micro_batches * (of_weights + of_activations + of_gradients) + of_update


def of_link(model: Thinker, recipe: Recipe) -> float:
    """Bytes that a device sends in a step: a ring's sum of the gradients (Patarasuk and Yuan 2009) and new parameters."""
    micro, parameters, devices = micro_batch(recipe), trained(model), recipe.hardware.devices
    sums, values = FLOAT * num(parameters), sum(bytes_of(parameter, micro) for parameter in parameters)
    return (2 * sums + values) * (devices - 1) / devices


def seconds(num_bytes: float, gb_per_s: float) -> float:
    """0 where the rate is unknown."""
    return num_bytes / (gb_per_s * 1e9) if gb_per_s else 0.0
