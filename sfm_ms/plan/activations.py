"""What a training step keeps of a micro-batch until the backward pass has used it, in bytes.

Read off the graphs that MindSpore makes of models/qwen2.py and nn/delta_block.py, not only off their equations: of a square it
keeps 2 x beside x, of a product in a half type the rounded operand beside the float32 one that others need.

    layer   two norms: x, 2 x, and x / rms where the gain learns        each product's input, where its weight learns
            attention: q, k, v, the weights of all pairs of tokens      feed-forward: gate, sigmoid, their product, up
    block   norm: x, 2 x    what it adds to x, before its gain    inside: a convolution, what the rule takes and gives, three
            norms, a gate

Shapes: B rows, T tokens, D width, F of the feed-forward layers, H heads, G key/value heads, K width of a head, C width inside a
block, R of LoRA.
"""

from __future__ import annotations

import math

from sfm_ms.models.qwen2 import Layer, Norm, Projection
from sfm_ms.models.thinker import FeedForwardBlock, Thinker
from sfm_ms.nn.delta_block import DeltaBlock
from sfm_ms.plan.stages import FLOAT, MicroBatch, Stage, learns, stages

OF_CONVOLUTION = 75  # numbers of a token and of each of the C inside that its backward pass has at once, measured on a CPU
OF_HEADS = 13  # numbers that a block keeps of a token and a head: beta, decay, sign and what they are made of


def kept(model: Thinker, micro: MicroBatch, is_flash: bool, is_recomputed: bool) -> int:
    """Of all stages at the end of the forward pass, and of the last norm.

    Where layers are computed anew in the backward pass, they keep the x that they read, and the mask of hidden keys is kept.
    """
    in_gradient = [stage for stage in stages(model) if stage.has_gradient]
    if is_recomputed:
        mask, read = micro.rows * micro.tokens**2 * FLOAT, micro.places * model.config.base.dim * FLOAT
        return len(in_gradient) * read + mask + of_last_norm(model, micro)
    return sum(of_stage(stage, micro, is_flash) for stage in in_gradient) + of_last_norm(model, micro)


def in_backward(model: Thinker, micro: MicroBatch, is_flash: bool, is_recomputed: bool) -> int:
    """At most on the way in one stage's backward pass, beside what is kept: gradients, and what is computed anew."""
    in_gradient = [stage for stage in stages(model) if stage.has_gradient]
    anew = [of_stage(stage, micro, is_flash) if is_recomputed else 0 for stage in in_gradient]
    return max((a + on_the_way(stage, micro) for a, stage in zip(anew, in_gradient, strict=True)), default=0)


def of_stage(stage: Stage, micro: MicroBatch, is_flash: bool) -> int:
    if isinstance(stage.cell, Layer):
        return of_layer(stage.cell, stage.is_reached, micro, is_flash)
    if isinstance(stage.cell, DeltaBlock):
        return of_delta_block(stage.cell, stage.is_reached, micro)
    return of_twin(stage.cell, stage.is_reached, micro)


def of_layer(layer: Layer, is_reached: bool, micro: MicroBatch, is_flash: bool) -> int:
    attention, feed_forward = layer.attention, layer.feed_forward
    into = [attention.query, attention.key, attention.value]
    of_token = of_norm(layer.before_attention, is_reached) + of_inputs(into, micro)
    of_token += of_attention(layer, micro, is_flash) + of_inputs([attention.output], micro)
    of_token += of_norm(layer.before_feed_forward, True) + of_inputs([feed_forward.gate, feed_forward.up], micro)
    of_token += 4 * FLOAT * out_dim(feed_forward.up) + of_inputs([feed_forward.down], micro)
    return micro.places * of_token


def of_norm(norm: Norm, is_reached: bool) -> int:
    return norm.dim * FLOAT * (2 * is_reached + norm.gain_D.requires_grad)


def of_inputs(projections: list[Projection], micro: MicroBatch) -> int:
    """Of products of one input."""
    needed = any(p.weight_XY.requires_grad or (p.lora and learns(p.lora)) for p in projections)
    of_lora = sum(p.lora.a_XR.shape[1] for p in projections if p.lora)
    return micro.number * (projections[0].weight_XY.shape[0] * needed + of_lora)


def of_attention(layer: Layer, micro: MicroBatch, is_flash: bool) -> int:
    """q, k, v and the softmax's output, in float32 and as what is multiplied; flash: its output, and 8 sums and maxima a head."""
    attention = layer.attention
    dim = out_dim(attention.query)
    num_heads = dim // attention.head_dim
    qkv = micro.number * (dim + 2 * out_dim(attention.key))
    if is_flash:
        return qkv + micro.number * dim + 2 * 8 * FLOAT * num_heads
    return qkv + num_heads * micro.tokens * (FLOAT + micro.number * micro.is_half)


def of_delta_block(block: DeltaBlock, is_reached: bool, micro: MicroBatch) -> int:
    """In float32: x and 2 x; what is added to x; what is convolved and what becomes of it, three each; q, k, their doubles, the
    gate and its sigmoid, the rule's output, its double, its norm, the gated norm. As what is multiplied or what the rule takes:
    the inputs of three products, q, k, v.

    What else an implementation of the rule keeps is not counted: the CPU's kernels nothing, the others matrices of chunks.
    """
    dim, inner = block.down_DC.shape
    of_width = dim * (FLOAT * (2 * is_reached + 1) + micro.number)
    of_inside = inner * (16 * FLOAT + 5 * micro.number)
    return micro.places * (of_width + of_inside + OF_HEADS * FLOAT * block.num_heads)


def of_twin(block: FeedForwardBlock, is_reached: bool, micro: MicroBatch) -> int:
    dim, width = block.feed_forward.gate.weight_XY.shape
    of_width = dim * (FLOAT * (2 * is_reached + 1) + micro.number)
    return micro.places * (of_width + width * (4 * FLOAT + micro.number))


def of_last_norm(model: Thinker, micro: MicroBatch) -> int:
    """With its output, float32, which the loss reads."""
    is_reached = any(stage.has_gradient for stage in stages(model))
    return micro.places * (of_norm(model.base.norm, is_reached) + model.config.base.dim * FLOAT)


def on_the_way(stage: Stage, micro: MicroBatch) -> int:
    """Gradients in float32: one of the widest thing inside, four of what goes from stage to stage, and what the convolution of a
    block computes anew."""
    cell = stage.cell
    if isinstance(cell, DeltaBlock):
        dim, inside = cell.down_DC.shape[0], (4 + OF_CONVOLUTION) * cell.down_DC.shape[1]
    else:
        dim, inside = cell.feed_forward.gate.weight_XY.shape
    return micro.places * FLOAT * (inside + 4 * dim)


def out_dim(projection: Projection) -> int:
    return math.prod(projection.weight_XY.shape[1:])
