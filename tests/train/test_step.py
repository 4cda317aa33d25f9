"""The training step: segments give the exact gradient, updates follow AdamW."""

import dataclasses

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor

from sfm_ms.data.batches import Batch, TrainingBatches, in_segments
from sfm_ms.data.input_shape import input_shape
from sfm_ms.models import build
from sfm_ms.nn.init import normal, table
from sfm_ms.recipe import load
from sfm_ms.recipe.schema import Optimizer
from sfm_ms.train.optim import Update, learning_rate
from sfm_ms.train.step import TrainingStep

ARRAYS = ("statements_BTW", "labels_BTQ", "weights_BTQ")


def batch_of(whole, segment):
    questions, *arrays = (getattr(TrainingBatches(whole)[0], name) for name in ("questions_BQ", *ARRAYS))
    return Batch(questions_BQ=questions, **dict(zip(ARRAYS, (in_segments(array, segment) for array in arrays), strict=True)))


def recipe_of(*overrides):
    return load("debug/state_tracking", ["task.max_operations=7", "training.segment_statements=12", *overrides])


def step_of(whole, segment):
    recipe = dataclasses.replace(whole, training=dataclasses.replace(whole.training, segment_statements=segment))
    return TrainingStep(build(recipe, input_shape(recipe)), recipe)


def first_step(segment, *overrides):
    """Figures of one step, and the first moments it leaves: a tenth of the clipped gradients."""
    whole = recipe_of(*overrides)
    take_step = step_of(whole, segment)
    figures = take_step(batch_of(whole, segment), 1e-2)
    moments = {name: value.asnumpy() for name, value in take_step.update.state().items() if name.startswith("first_moment")}
    return figures, moments


def test_segments_give_the_gradient_of_the_whole_program():
    """12 statements as one segment, as three, and as three with padding."""
    expected_figures, expected = first_step(12)
    assert len(expected) > 10 and all(np.abs(moment).max() > 0 for moment in expected.values())
    for segment in (4, 5):
        figures, moments = first_step(segment)
        assert figures.keys() == expected_figures.keys()
        assert np.allclose([*figures.values()], [*expected_figures.values()], rtol=1e-4)
        for name, moment in moments.items():
            error = np.linalg.norm(moment - expected[name]) / np.linalg.norm(expected[name])
            assert error < 1e-4, (segment, name, error)


def test_supervision_decides_what_the_loss_looks_at():
    """An untrained model answers uniformly, so the loss is ln 101 times what is counted."""
    take_step = step_of(recipe_of(), 4)
    for mode, counted in (("answer", 1), ("queried", 5), ("all", 5)):
        figures = take_step(batch_of(recipe_of(f"task.supervision={mode}"), 4), 0.0)
        assert np.isclose(figures["loss"] / np.log(101), counted, rtol=0.25) and 0 <= figures["value_accuracy"] < 0.3


def test_ticks_cost_what_the_recipe_says():
    free, _ = first_step(2, "model.max_ticks=3", "training.tick_cost=0")
    charged, moments = first_step(2, "model.max_ticks=3", "training.tick_cost=2")
    statements = (TrainingBatches(load("debug/state_tracking", ["task.max_operations=7"]))[0].statements_BTW[:, :, 0] > 0).sum()
    extra_ticks = (charged["mean_ticks"] - 1) * statements / 8  # of a program, 8 in a batch
    assert 1.5 < free["mean_ticks"] - 1 < 2 and np.isclose(charged["loss"] - free["loss"], 2 * extra_ticks, rtol=1e-4)
    assert np.abs(moments["first_moment.model.execution.encoder.halt_IJ"]).max() > 0


def test_update_is_adamw_with_bias_correction_clipping_and_decay_of_matrices_only():
    config = Optimizer(learning_rate=0.1, betas=(0.9, 0.98), weight_decay=0.1, clip_norm=1.0)
    rng = np.random.default_rng(0)
    start = {"matrix": rng.normal(size=(2, 3)), "bias": rng.normal(size=3)}
    parameters = {name: Parameter(Tensor(value, ms.float32), name=name) for name, value in start.items()}
    update = Update([parameters["bias"], parameters["matrix"]], config)
    assert [parameter.name for parameter in update.parameters_in_order] == ["matrix", "bias"]
    first = second = dict.fromkeys(start, 0.0)
    for t, rate in enumerate((0.1, 0.05, 0.02), start=1):
        gradients = {name: rng.normal(size=value.shape) * 3 for name, value in start.items()}
        norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
        measured = update(Tensor(rate, ms.float32), *(Tensor(gradients[p.name], ms.float32) for p in update.parameters_in_order))
        assert np.isclose(float(measured.asnumpy()), norm, rtol=1e-5)
        for name in start:
            gradient = gradients[name] * min(1, 1 / norm)
            first = {**first, name: 0.9 * first[name] + 0.1 * gradient}
            second = {**second, name: 0.98 * second[name] + 0.02 * gradient**2}
            step = first[name] / (1 - 0.9**t) / (np.sqrt(second[name] / (1 - 0.98**t)) + config.epsilon)
            start[name] = start[name] * (1 - rate * (0.1 if name == "matrix" else 0)) - rate * step
    for name, parameter in parameters.items():
        assert np.allclose(parameter.asnumpy(), start[name], atol=1e-5)


def test_tables_looked_up_by_token_do_not_decay():
    kept, decayed = table(np.random.default_rng(0), (4, 3), std=1.0), normal(np.random.default_rng(0), (4, 3))
    kept.name, decayed.name = "kept", "decayed"
    before = kept.asnumpy().copy(), decayed.asnumpy().copy()
    update = Update([kept, decayed], Optimizer(weight_decay=0.5))
    update(Tensor(0.1, ms.float32), Tensor(np.zeros((4, 3), np.float32)), Tensor(np.zeros((4, 3), np.float32)))
    assert np.array_equal(kept.asnumpy(), before[0]) and np.allclose(decayed.asnumpy(), 0.95 * before[1])


def test_learning_rate_warms_up_and_falls_to_the_final_rate():
    config = Optimizer(learning_rate=1.0, final_learning_rate=0.1, warmup_steps=4)
    rates = [learning_rate(config, step, 104) for step in range(104)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0] and rates[4] == 1.0
    assert np.isclose(rates[-1], 0.1) and np.isclose(rates[4 + 99 // 2], 0.55, atol=0.02)
    assert sorted(rates[4:], reverse=True) == rates[4:]
