"""What MindSpore 2.9 keeps on a CPU beside a training step's own numbers, in bytes.

    tables     two indices of 8 bytes for each number of a sum or product that broadcasts, and one for each number that is
               transposed, in a vector that has grown by doubling; kept as long as the graph
    compiler   what the first step leaves of the compiler's graphs and of the kernels, whatever their sizes
    building   what the first values of sums and moments leave to malloc, as much as the sums

Tables were read off the allocations of a process. The compiler's share was found from what processes take that train models of
width 32, so small that nothing else counts: of 2 to 6 layers, with and without blocks, LoRA and gradients, of 1 and 8 chunks of
the vocabulary; it is the same with model.recompute. What oneDNN's kernels take for themselves grows with the sizes, to 25 MiB in
what was measured, and is not counted. Only float32 was looked at: a CPU multiplies numbers of half types as float32 copies, which
are not counted.

Shapes: B rows, T tokens, N = B T places, D width, H heads, G key/value heads, K width of a head, C width inside a block.
"""

from __future__ import annotations

from sfm_ms.models.qwen2 import Layer
from sfm_ms.models.thinker import Thinker
from sfm_ms.nn.chunked_cross_entropy import ChunkedCrossEntropy
from sfm_ms.nn.delta_block import DeltaBlock
from sfm_ms.plan.stages import FLOAT, MicroBatch, Stage, micro_batch, stages, trained
from sfm_ms.recipe import Recipe

INDEX = 8
MIB = 2**20
OF_PROCESS = 81 * MIB
OF_LAYER, OF_BLOCK = 19 * MIB, 52 * MIB
OF_CONVOLUTIONS = 63 * MIB  # where there are blocks with one
OF_CHUNK = 5 * MIB  # of the vocabulary
OF_TENSOR = 2.3 * MIB  # that learns: its gradient, its sum, its update


def of_process(model: Thinker, recipe: Recipe) -> dict[str, int]:
    micro, all_stages = micro_batch(recipe), list(stages(model))
    last_norm = 2 * INDEX * micro.places * model.config.base.dim * 4
    tables = sum(of_tables(stage, micro, recipe.model.recompute) for stage in all_stages) + last_norm
    of_stages = sum(OF_LAYER if stage.is_layer else OF_BLOCK for stage in all_stages)
    of_chunks = OF_CHUNK * -(-recipe.task.vocabulary // ChunkedCrossEntropy().nll.chunk_size)
    compiler = OF_PROCESS + of_stages + of_chunks + round(OF_TENSOR * len(trained(model)))
    if any(isinstance(stage.cell, DeltaBlock) for stage in all_stages):
        compiler += OF_CONVOLUTIONS
    building = FLOAT * sum(parameter.size for parameter in trained(model))
    return {"tables (CPU)": tables, "compiler (CPU)": compiler, "building (CPU)": building}


def of_tables(stage: Stage, micro: MicroBatch, is_recomputed: bool) -> int:
    """Of the forward pass, twice where it is run again, and of the backward pass."""
    forward, backward = of_layer(stage.cell, micro) if isinstance(stage.cell, Layer) else of_block(stage.cell, micro)
    return forward * (1 + is_recomputed * stage.has_gradient) + backward * stage.has_gradient


def of_layer(layer: Layer, micro: MicroBatch) -> tuple[int, int]:
    """Forward: two norms of two products, three biases, two products each that turn q and k, hidden keys; q, k and v are brought
    to heads, the result back. Backward: the same but biases, and the softmax's difference."""
    attention = layer.attention
    dim, kv_dim = (projection.weight_XY.shape[1] for projection in (attention.query, attention.key))
    by_token, by_kv_token = micro.places * dim, micro.places * kv_dim
    pairs = micro.places * micro.tokens * dim // attention.head_dim
    norms, turned = 4 * by_token, 2 * by_token + 2 * by_kv_token
    transposed = 2 * doubled(by_token) + 2 * doubled(by_kv_token)
    biases = by_token + 2 * by_kv_token
    backward = 2 * INDEX * (norms + turned + pairs) + transposed
    return backward + 2 * INDEX * biases, backward


def of_block(block, micro: MicroBatch) -> tuple[int, int]:
    """A norm and a gain over the width; inside the delta rule q, k and what it reads brought to length 1."""
    is_delta = isinstance(block, DeltaBlock)
    dim, inner = block.gain_D.size, block.down_DC.shape[1] if is_delta else 0
    each_way = 2 * INDEX * micro.places * (2 * dim + 3 * inner)
    return each_way, each_way


def doubled(num_numbers: int) -> int:
    """Bytes of a vector of indices that has grown to so many."""
    return INDEX * 2 ** (num_numbers - 1).bit_length()
