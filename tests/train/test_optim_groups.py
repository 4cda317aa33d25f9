"""Learning rates by group, frozen parameters, master copies, and updates of a part of the parameters."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from sfm_ms.recipe import RecipeError, load, read, to_yaml
from sfm_ms.recipe.schema import LearningRateGroup, Optimizer
from sfm_ms.train.optim import Update, freeze

SHAPES = {"base.w": (3, 4), "base.b": (4,), "sfm.gate": (2, 2), "sfm.head.w": (2, 3), "sfmish": (5,)}
GROUPS = (LearningRateGroup("sfm", 5e-4), LearningRateGroup("sfm.head", 1e-3))
CONFIG = Optimizer(learning_rate=2e-5, final_learning_rate=0, weight_decay=0, groups=GROUPS)


def parameters(dtype=ms.float32):
    rng = np.random.default_rng(0)
    return [Parameter(Tensor(rng.normal(size=shape).astype(np.float32), dtype), name=name) for name, shape in SHAPES.items()]


def gradients(update, seed):
    rng = np.random.default_rng(seed)
    drawn = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    return [Tensor(drawn[parameter.name], parameter.dtype) for parameter in update.parameters_in_order]


def values(own):
    return {parameter.name: parameter.asnumpy().copy() for parameter in own}


@pytest.mark.parametrize("rate", [2e-5, 5e-6])
def test_the_size_of_an_update_is_the_rate_of_the_longest_prefix(rate):
    own = parameters()
    update, before = Update(own, CONFIG), values(own)
    update(Tensor(rate, ms.float32), *gradients(update, 1))
    expected = {"base.w": 1, "base.b": 1, "sfm.gate": 25, "sfm.head.w": 50, "sfmish": 1}  # AdamW's first step is the rate
    for name, after in values(own).items():
        assert np.allclose(np.abs(after - before[name]), expected[name] * rate, rtol=0.05), name


def test_prefixes_that_name_nothing_are_refused():
    with pytest.raises(ValueError, match=r"optimizer.groups: no parameter's name begins with 'sf\.'; they begin with base, sfm"):
        Update(parameters(), Optimizer(groups=(LearningRateGroup("sf", 1e-3),)))
    with pytest.raises(ValueError, match=r"training.frozen: no parameter's name begins with 'head\.'"):
        freeze(parameters(), ["sfm", "head"])


def test_frozen_parameters_are_not_trained():
    own = parameters()
    freeze(own, ["base", "sfm.head.w"])
    trained = [parameter for parameter in own if parameter.requires_grad]
    assert [parameter.name for parameter in trained] == ["sfm.gate", "sfmish"]
    update, before = Update(trained, Optimizer(weight_decay=0.1)), values(own)
    update(Tensor(0.1, ms.float32), *gradients(update, 3))
    changed = [name for name, after in values(own).items() if not np.array_equal(after, before[name])]
    assert changed == ["sfm.gate", "sfmish"] and len(update.state()) == 2 * 2 + 1
    freeze(own, ["sfmish"])  # what was frozen before, by LoRA say, stays so
    assert [parameter.name for parameter in own if parameter.requires_grad] == ["sfm.gate"]


def test_ranks_that_own_parts_do_together_what_one_does():
    whole, *parts = (parameters() for _ in range(3))
    updates = [Update(whole, CONFIG), Update(parts[0], CONFIG, owned=[0, 3]), Update(parts[1], CONFIG, owned=[1, 2, 4])]
    for seed in range(3):
        norms = [update(Tensor(2e-5, ms.float32), *gradients(update, seed)).asnumpy() for update in updates]
        assert norms[0] == norms[1] == norms[2]
    before, expected = values(parameters()), values(whole)
    names = [parameter.name for parameter in updates[0].parameters_in_order]
    for i, name in enumerate(names):
        owner, other = (0, 1) if i in (0, 3) else (1, 0)
        assert np.array_equal(values(parts[owner])[name], expected[name]), name
        assert np.array_equal(values(parts[other])[name], before[name]), name
    states = [update.state() for update in updates]
    assert len(states[1]) == 2 * 2 + 1 and len(states[2]) == 2 * 3 + 1
    for name, value in {**states[1], **states[2]}.items():
        assert np.array_equal(value.asnumpy(), states[0][name].asnumpy()), name


def test_master_copies_keep_updates_that_float16_would_lose():
    own, exact = parameters(ms.float16), parameters()
    for half, single in zip(own, exact, strict=True):
        half.set_data(Tensor(np.ones(half.shape), ms.float16))
        single.set_data(Tensor(np.ones(half.shape), ms.float32))
    config = Optimizer(learning_rate=1e-4, weight_decay=0)
    update, reference = Update(own, config), Update(exact, config)
    drawn = [Tensor(np.sign(gradient.asnumpy()), ms.float16) for gradient in gradients(update, 2)]
    for _ in range(20):  # each changes 1.0 by 1e-4; float16 has nothing between 1 and 0.99951
        update(Tensor(1e-4, ms.float32), *drawn)
        reference(Tensor(1e-4, ms.float32), *(gradient.astype(ms.float32) for gradient in drawn))
    state = update.state()
    for half, single in zip(own, exact, strict=True):
        assert np.allclose(state[f"master.{half.name}"].asnumpy(), single.asnumpy(), atol=1e-6)
        assert np.array_equal(half.asnumpy(), single.asnumpy().astype(np.float16)) and (np.abs(half.asnumpy() - 1) > 1e-3).all()
    assert not any(name.startswith("master") for name in reference.state())


def test_groups_and_frozen_prefixes_of_a_recipe(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("optimizer: {groups: [{prefix: sfm, learning_rate: 5e-4}]}\ntraining: {frozen: [base]}", encoding="utf-8")
    recipe = load(str(path))
    assert recipe.optimizer.groups == (LearningRateGroup("sfm", 5e-4),) and recipe.training.frozen == ("base",)
    path.write_text(to_yaml(recipe), encoding="utf-8")
    assert read(path) == recipe
    with pytest.raises(RecipeError) as caught:
        load(str(path), ["optimizer.groups=[{prefix: a}, {prefix: a, learning_rate: -1}]", "training.frozen=base"])
    for line in ("optimizer.groups[1].learning_rate: expected a number > 0, got -1", "training.frozen: expected a list"):
        assert line in str(caught.value)
    with pytest.raises(RecipeError, match=r"optimizer.groups\[1\].prefix: expected a name that no other group has, got 'a'"):
        load(str(path), ["optimizer.groups=[{prefix: a}, {prefix: a}]"])
