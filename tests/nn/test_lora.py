"""LoRA in a Qwen2: nothing at the start, what it adds, what is trainable, merged."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from gradients import SquaredLogits
from mindspore import Tensor

from sfm_ms.models.qwen2 import Qwen2, Qwen2Config
from sfm_ms.nn.lora import add_lora, merge_lora

CONFIG = Qwen2Config(vocabulary=30, dim=16, feed_forward_dim=24, num_layers=1, num_heads=4, num_key_value_heads=2)
TOKENS = Tensor(np.random.default_rng(0).integers(0, 30, (2, 7)).astype(np.int32))
NAMES = ("query", "value", "down")


def model(**changes):
    return Qwen2(Qwen2Config(**{**vars(CONFIG), **changes}), np.random.default_rng(1))


def adapted(**changes):
    lora = model(**changes)
    add_lora(lora, NAMES, rank=3, alpha=6, seed=2)
    return lora


def shake(lora):
    """B is not 0 any more."""
    rng = np.random.default_rng(3)
    for parameter in lora.trainable_params():
        if parameter.name.endswith("b_RY"):
            parameter.set_data(Tensor(rng.normal(size=parameter.shape).astype(np.float32)))


def test_it_adds_nothing_at_the_start_and_merged_the_same_without_further_parameters():
    plain, lora = model(), adapted()
    logits = plain(TOKENS).asnumpy()
    assert np.array_equal(lora(TOKENS).asnumpy(), logits)
    shake(lora)
    expected = lora(TOKENS).asnumpy()
    assert np.abs(expected - logits).max() > 0.1
    weights = {name: parameter.asnumpy() for name, parameter in lora.parameters_and_names()}
    merge_lora(lora)
    merged = dict(lora.parameters_and_names())
    assert merged.keys() == dict(plain.parameters_and_names()).keys()
    name = "layers.0.attention.value"
    a, b = (weights[f"{name}.lora.{part}"].astype(np.float64) for part in ("a_XR", "b_RY"))
    assert np.array_equal(
        merged[f"{name}.weight_XY"].asnumpy(), (weights[f"{name}.weight_XY"] + 6 / 3 * a @ b).astype(np.float32)
    )
    for name, parameter in plain.parameters_and_names():
        parameter.set_data(merged[name].value())
    for one in (lora, plain):  # the first with the graph that it had
        assert np.abs(one(TOKENS).asnumpy() - expected).max() < 1e-5


def test_only_what_it_brings_is_trainable():
    lora, names = adapted(), {name for name, _ in model().parameters_and_names()}
    after = dict(lora.parameters_and_names())
    added = after.keys() - names
    assert names <= after.keys() and all(parameter.name == name for name, parameter in after.items())
    places = ["attention.query", "attention.value", "feed_forward.down"]
    assert added == {f"layers.0.{place}.lora.{part}" for place in places for part in ("a_XR", "b_RY")}
    assert {parameter.name for parameter in lora.trainable_params()} == added
    gradients = ms.grad(SquaredLogits(lora), None, ms.ParameterTuple(lora.trainable_params()))(TOKENS)
    for parameter, gradient in zip(lora.trainable_params(), gradients, strict=True):  # of A only once B is not 0
        assert (np.abs(gradient.asnumpy()).max() > 0) == parameter.name.endswith("b_RY"), parameter.name


def test_halves_are_merged_to_the_nearest():
    lora = adapted(weights="float16")
    shake(lora)
    weight, adapter = lora.layers[0].attention.query.weight_XY, lora.layers[0].attention.query.lora
    exact = weight.asnumpy().astype(np.float64) + adapter.product()
    assert adapter.a_XR.dtype == ms.float32
    merge_lora(lora)
    merged = lora.layers[0].attention.query.weight_XY
    assert merged.dtype == ms.float16 and np.array_equal(merged.asnumpy(), exact.astype(np.float32).astype(np.float16))


def test_what_cannot_be_wrapped_is_refused():
    with pytest.raises(ValueError, match="expected some of down, gate, key, output, query, up, value, got 'qury'; did you mean"):
        add_lora(model(), ["query", "qury"], rank=3, alpha=6, seed=2)
    for rank, alpha in ((0, 6), (3, 0)):
        with pytest.raises(ValueError, match=f"rank and alpha of LoRA: .*, got {rank} and {alpha}"):
            add_lora(model(), NAMES, rank, alpha, seed=2)
    with pytest.raises(ValueError, match="expected a model without LoRA, got one that has it"):
        add_lora(adapted(), ["key"], rank=3, alpha=6, seed=2)
