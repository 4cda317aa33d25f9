"""LoRA, a trainable product of two thin matrices beside a frozen one; Hu et al. 2021, "LoRA", section 4.1.

    y = x W + (alpha / R) (x A) B      B = 0 at the start, which changes nothing

Shapes: X width of the input, Y of the output, R rank.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import numpy as np
from mindspore import Tensor, nn
from mindspore import dtype as mstype

from sfm_ms.nn.init import normal, zeros
from sfm_ms.nn.linear import product_in


class Lora(nn.Cell):
    """(..., X) -> (..., Y), float32: what is added to x W. A and B are float32, multiplied in `dtype`."""

    def __init__(self, in_dim: int, out_dim: int, rank: int, alpha: float, dtype, rng: np.random.Generator):
        super().__init__()
        self.scale, self.dtype = alpha / rank, dtype
        self.a_XR, self.b_RY = normal(rng, (in_dim, rank)), zeros((rank, out_dim))

    def construct(self, x):
        return self.scale * product_in(self.dtype, product_in(self.dtype, x, self.a_XR), self.b_RY)

    def product(self) -> np.ndarray:
        """What is added to W (X, Y), float64."""
        return self.scale * (self.a_XR.asnumpy().astype(np.float64) @ self.b_RY.asnumpy().astype(np.float64))


def add_lora(model: nn.Cell, names: Iterable[str], rank: int, alpha: float, seed: int) -> None:
    """Gives a Lora to each projection of the model that has one of the `names` (query, value, ...) and freezes all else in it.

    The model is a Qwen2 or what a Thinker has as its `base`, and has not computed anything yet: its graphs are made once. The
    names of its Parameters stay; those that come are called as the weight is, with lora.a_XR and lora.b_RY in its place.
    ValueError: there is no projection of a name, or one has a Lora; rank or alpha is not positive.
    """
    if rank < 1 or alpha <= 0:
        raise ValueError(f"rank and alpha of LoRA: expected at least 1 and above 0, got {rank} and {alpha}")
    found = [(path.rpartition(".")[2], cell) for path, cell in model.cells_and_names() if hasattr(cell, "lora")]
    known = sorted({name for name, _ in found})
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"projections of LoRA: expected some of {', '.join(known)}, got {name!r}{hint}")
    if any(cell.lora is not None for _, cell in found):
        raise ValueError("projections of LoRA: expected a model without LoRA, got one that has it; merge it first")
    for parameter in model.get_parameters():
        parameter.requires_grad = False
    rng = np.random.default_rng(seed)
    for projection in [cell for name, cell in found if name in names]:
        prefix = projection.weight_XY.name.removesuffix("weight_XY")
        projection.lora = Lora(*projection.weight_XY.shape, rank, alpha, projection.dtype, rng)
        for name, parameter in projection.lora.parameters_and_names():
            parameter.name = f"{prefix}lora.{name}"


def merge_lora(model: nn.Cell) -> None:
    """Adds every Lora's product to the weight beside it, rounded once to the weight's type, and takes the Lora away."""
    for _, projection in list(model.cells_and_names()):
        lora = getattr(projection, "lora", None)
        if lora is not None:
            weight = projection.weight_XY
            merged = weight.value().astype(mstype.float32).asnumpy() + lora.product()
            weight.set_data(Tensor(merged.astype(np.float32)).astype(weight.dtype))
            lora.b_RY.set_data(Tensor(np.zeros(lora.b_RY.shape, np.float32)))  # graphs made before add nothing any more
            projection.lora = None
