"""The recipes for Ascend as far as a CPU goes: at a reduced size, what they build is compiled and learns a batch."""

from __future__ import annotations

import numpy as np
import pytest
from measure_thinker_memory import batch as random_batch

from sfm_ms.recipe import load
from sfm_ms.train.building import model_of
from sfm_ms.train.parallel import Ranks
from sfm_ms.train.thinker_step import ThinkerStep

# Beside sizes that goes: weights from files and runs, and the types and kernels that only a 910B has.
HERE = "model.checkpoint='' init_from='' model.dtype=float16 model.attention=plain task.vocabulary=512 task.window_tokens=64"
SMALL = "model.num_layers=8 model.sfm_layers=[1,3,5,7] model.feed_forward_dim=96 model.sfm_dim=32 model.judge_dim=8"


def reduced(name):
    """Heads of the base have 4 numbers."""
    heads = load(name).model.num_heads
    return load(name, [*HERE.split(), *SMALL.split(), f"model.dim={4 * heads}"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stage1", "stage2", "stage1_910b", "stage2_910b", "small", "lora"])
def test_a_recipe_for_ascend_learns_a_batch_at_a_reduced_size(name, tmp_path):
    recipe = reduced(f"thinker/{name}")
    model = model_of(recipe, tmp_path)
    before = {parameter.name: parameter.asnumpy().copy() for parameter in model.get_parameters()}
    step, batch = ThinkerStep(model, recipe, Ranks()), random_batch(recipe, np.random.default_rng(0))
    losses = [step(batch, recipe.optimizer.learning_rate)["loss"] for _ in range(8)]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    after = model.parameters_dict()
    moved = {name for name, value in before.items() if not np.array_equal(value, after[name].asnumpy())}
    learns = {parameter.name for parameter in model.trainable_params()}
    assert learns and moved <= learns and any(name.startswith("sfm.") for name in moved)
    assert ("base.table_YD" in moved) == name.startswith("stage2")
