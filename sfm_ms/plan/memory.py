"""Bytes of a device while it trains a Thinker: what is always there, and four moments of a step when most is on the way.

    always      weights, master copies and Adam's moments of a device's share, gradient sums
    loss        all activations, and the logits: those of one chunk of the vocabulary a few times
    backward    all activations, the gradient of the head, what one stage's backward pass has on the way
    gradients   the largest one, others have been added to their sums by then
    update      the new values of all that a device updates, with MindFormers' AdamW also their clipped gradients

What a moment holds was read off the allocations of MindSpore 2.9 on a CPU; tools/measure_thinker_memory.py compares the whole
with what a process takes. On Ascend nothing was measured, and what CANN's operators take besides is not counted.

Shapes: N places of a micro-batch, V tokens of a chunk of the vocabulary, Y of all, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

from mindspore import Parameter

from sfm_ms.models.thinker import Thinker
from sfm_ms.nn.chunked_cross_entropy import ChunkedCrossEntropy
from sfm_ms.plan import activations, cpu
from sfm_ms.plan.stages import FLOAT, MicroBatch, bytes_of, micro_batch, trained
from sfm_ms.recipe import Recipe
from sfm_ms.train.optim import in_order
from sfm_ms.train.parallel import shares

Kinds = dict[str, int]  # kind of memory -> bytes
MOMENTS_OF_ADAM = 2
NEW_VALUES = 3  # of both moments and the parameter: the update assigns them when all are computed
IN_UPDATE = 2  # tensors of the size of a parameter, beside its new values, while these are computed
IN_CHUNK = 5  # of the forward pass's (N, V): logits, targets, their product; of the backward pass's, begun early: logits, targets
IN_CHUNK_BACKWARD = 3  # logits, targets, a difference


def of_step(model: Thinker, recipe: Recipe) -> dict[str, Kinds]:
    """The memory of each moment of a step."""
    micro, always = micro_batch(recipe), of_always(model, recipe)
    moments = {
        "loss": of_loss(model, recipe, micro),
        "backward": of_backward(model, recipe, micro),
        "gradients": of_gradients(model, micro),
        "update": of_update(model, recipe, micro),
    }
    names = list(dict.fromkeys(name for kinds in (always, *moments.values()) for name in kinds))
    return {moment: {name: always.get(name, 0) + kinds.get(name, 0) for name in names} for moment, kinds in moments.items()}


def of_always(model: Thinker, recipe: Recipe) -> Kinds:
    micro, own = micro_batch(recipe), own_share(trained(model), recipe.hardware.devices)
    halves = [parameter for parameter in own if bytes_of(parameter, micro) < FLOAT * parameter.size]
    kinds = {
        "weights": sum(bytes_of(parameter, micro) for parameter in model.get_parameters()),
        "master copies": FLOAT * num(halves),
        "gradients": FLOAT * num(trained(model)),
        "Adam's moments": MOMENTS_OF_ADAM * FLOAT * num(own),
    }
    return {**kinds, **(cpu.of_process(model, recipe) if recipe.hardware.kind == "cpu" else {})}


def of_loss(model: Thinker, recipe: Recipe, micro: MicroBatch) -> Kinds:
    """What the loss has of each token is spread over a chunk to stand beside its logits, once for all chunks of one size: its
    gradient from the start, the logarithm of its sum in the backward pass."""
    head = model.base.head()
    chunk = min(ChunkedCrossEntropy().nll.chunk_size, head.shape[0])
    of_chunk, spread = (FLOAT * micro.places * size for size in (chunk, chunk + head.shape[0] % chunk))
    of_rows = chunk * head.shape[1] * micro.number  # of the head
    most = max(spread + IN_CHUNK * of_chunk, 2 * spread + IN_CHUNK_BACKWARD * of_chunk)
    return {"activations": kept(model, recipe, micro), "logits": most + of_rows}


def of_backward(model: Thinker, recipe: Recipe, micro: MicroBatch) -> Kinds:
    """The head's gradient comes chunk by chunk, and is then put together."""
    of_model, head = recipe.model, model.base.head()
    on_the_way = activations.in_backward(model, micro, of_model.attention == "flash", of_model.recompute)
    of_head = bytes_of(head, micro) * head.requires_grad
    return {
        "activations": kept(model, recipe, micro) + on_the_way,
        "gradients": of_head + max(0, of_head - on_the_way),
    }


def of_gradients(model: Thinker, micro: MicroBatch) -> Kinds:
    """Of a table that is the head as well: from both uses, and their sum."""
    table = model.base.table_YD
    of_table = 3 * bytes_of(table, micro) * (table.requires_grad and model.base.head_YD is None)
    of_one = max((bytes_of(parameter, micro) + FLOAT * parameter.size for parameter in trained(model)), default=0)
    return {"gradients": max(of_table, of_one)}


def of_update(model: Thinker, recipe: Recipe, micro: MicroBatch) -> Kinds:
    own = own_share(trained(model), recipe.hardware.devices)
    rounded = sum(bytes_of(parameter, micro) for parameter in own if bytes_of(parameter, micro) < FLOAT * parameter.size)
    largest = max((parameter.size for parameter in own), default=0)
    clipped = FLOAT * num(own) if recipe.optimizer.adamw == "mindformers" else 0
    return {"new values": NEW_VALUES * FLOAT * num(own) + rounded + IN_UPDATE * FLOAT * largest, "gradients": clipped}


def kept(model: Thinker, recipe: Recipe, micro: MicroBatch) -> int:
    return activations.kept(model, micro, recipe.model.attention == "flash", recipe.model.recompute)


def own_share(parameters: Sequence[Parameter], devices: int) -> list[Parameter]:
    """Those that a device updates which updates most numbers."""
    ordered = in_order(parameters)
    owners = shares([parameter.size for parameter in ordered], devices)
    owned = [[p for p, owner in zip(ordered, owners, strict=True) if owner == device] for device in range(devices)]
    return max(owned, key=num)


def num(parameters: Sequence[Parameter]) -> int:
    return sum(parameter.size for parameter in parameters)
