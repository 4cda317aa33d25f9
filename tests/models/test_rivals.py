"""Invariants of all rivals of the state tracker, whatever they compute inside (tests/nn holds that against NumPy)."""

import numpy as np
import pytest
from gradients import assert_all_learn
from mindspore import Tensor

from sfm_ms.models.gru import GruTracker
from sfm_ms.models.linear_attention import LinearAttentionTracker
from sfm_ms.models.static_slots import StaticSlots
from sfm_ms.models.transformer import Transformer
from sfm_ms.recipe.schema import GruModel, LinearAttentionModel, StaticSlotsModel, TransformerModel
from sfm_ms.tasks import state_tracking

LANGUAGE = state_tracking.Language(num_variables=3)
SHAPE = LANGUAGE.input_shape()
MODERN = {"positions": "rotary", "attention": "causal", "norm": "pre", "readout": "last"}
SMALL = {"dim": 8, "num_heads": 2, "num_layers": 2, "feed_forward_dim": 12}
RIVALS = {
    "transformer": (Transformer, TransformerModel(**SMALL)),
    "modern transformer": (Transformer, TransformerModel(**SMALL, **MODERN)),
    "gru": (GruTracker, GruModel(token_dim=5, dim=8)),
    "linear attention": (LinearAttentionTracker, LinearAttentionModel(token_dim=5, **SMALL)),
    "static slots": (StaticSlots, StaticSlotsModel(token_dim=5, dim=8, num_slots=3)),
}
CAUSAL = [name for name in RIVALS if name != "transformer"]
CARRIES_STATE = [name for name in RIVALS if "transformer" not in name]


def build(name, seed=1):
    model, config = RIVALS[name]
    return model(config, SHAPE, seed)


@pytest.fixture(scope="module")
def models():
    return {name: build(name) for name in RIVALS}


def inputs(count=3, operations=5, seed=0):
    """Statements of 3 and of 5 tokens, and two questions."""
    programs = state_tracking.generate(LANGUAGE, seed, 0, np.arange(count), operations, operations)
    return state_tracking.encode(programs), state_tracking.question_tokens(LANGUAGE, np.tile([1, 0], (count, 1)))


def run(model, statements, questions, state=None):
    state = model.initial_state(len(statements)) if state is None else Tensor(state)
    return [output.asnumpy() for output in model(Tensor(statements), Tensor(questions), state)]


def padded(statements, count=3):
    return np.concatenate([statements, np.zeros_like(statements[:, :count])], axis=1)


@pytest.mark.parametrize("name", RIVALS)
def test_shapes_and_probabilities(models, name):
    statements, questions = inputs()
    log_probabilities, ticks, state = run(models[name], statements, questions)
    assert log_probabilities.shape == (3, 8, 2, 101) and np.array_equal(ticks, np.ones((3, 8), np.float32))
    assert state.shape == models[name].initial_state(3).shape
    assert np.allclose(np.exp(log_probabilities).sum(-1), 1, atol=1e-5)
    assert not np.allclose(log_probabilities[:, :, 0], log_probabilities[:, :, 1], atol=1e-3)


@pytest.mark.parametrize("name", RIVALS)
def test_padding_changes_nothing(models, name):
    statements, questions = inputs()
    log_probabilities, _, state = run(models[name], statements, questions)
    after, _, padded_state = run(models[name], padded(statements), questions)
    assert np.allclose(after[:, :8], log_probabilities, atol=1e-5) and np.isfinite(after).all()
    assert np.allclose(padded_state, state, atol=1e-5)


@pytest.mark.parametrize("name", RIVALS)
def test_batch_rows_do_not_mix(models, name):
    statements, questions = inputs()
    changed = statements.copy()
    changed[1:] = inputs(seed=1)[0][1:]
    assert np.allclose(run(models[name], statements, questions)[0][0], run(models[name], changed, questions)[0][0], atol=1e-6)


@pytest.mark.parametrize("name", CAUSAL)
def test_causal(models, name):
    statements, questions = inputs()
    changed = statements.copy()
    changed[:, 5:] = inputs(seed=1)[0][:, 5:]
    before, after = run(models[name], statements, questions)[0], run(models[name], changed, questions)[0]
    assert np.allclose(before[:, :5], after[:, :5], atol=1e-6) and not np.allclose(before[:, 5:], after[:, 5:], atol=1e-4)


def test_who_carries_a_state():
    assert {name for name in RIVALS if build(name).carries_state} == set(CARRIES_STATE)


@pytest.mark.parametrize("segment", [1, 3])
@pytest.mark.parametrize("name", CARRIES_STATE)
def test_segments_with_carried_state_equal_the_whole(models, name, segment):
    statements, questions = inputs()
    whole, _, last = run(models[name], statements, questions)
    parts, state = [], None
    for start in range(0, statements.shape[1], segment):
        part, _, state = run(models[name], statements[:, start : start + segment], questions, state)
        parts.append(part)
    assert np.allclose(np.concatenate(parts, 1), whole, atol=1e-4) and np.allclose(state, last, atol=1e-4)


@pytest.mark.parametrize("name", RIVALS)
def test_every_parameter_gets_a_gradient_the_same_at_every_call(name):
    assert_all_learn(build(name), *inputs())


@pytest.mark.parametrize("name", RIVALS)
def test_a_seed_fixes_the_weights(name):
    first, again, other = ([p.asnumpy() for p in build(name, seed).trainable_params()] for seed in (1, 1, 2))
    assert all(map(np.array_equal, first, again)) and not all(map(np.array_equal, first, other))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, 443_365), ({"dim": 256, "num_heads": 8, "num_layers": 4, "feed_forward_dim": 512}, 2_232_933)],
)
def test_transformers_are_as_large_as_those_of_the_prototype(changes, expected):
    shape = state_tracking.Language().input_shape()
    for variant in ({}, MODERN):
        model = Transformer(TransformerModel(**changes, **variant), shape, seed=0)
        assert np.isclose(sum(parameter.size for parameter in model.trainable_params()), expected, rtol=0.02)


def test_flops_count_the_products_of_the_graph(models):
    """Against counts by hand; a read-out is 8 x 8 + 8 x 60 + 60 x 101, a statement embedding 25 x 8."""
    tokens, read_out, embed = 1 + 4 * 5, 8 * 8 + 8 * 60 + 60 * 101, 25 * 8
    block = 4 * 8 * 8 + 2 * 8 * 12
    expected = {
        "transformer": tokens * 2 * (block + 2 * tokens * 8) + 4 * tokens * 8 + 4 * read_out,
        "gru": 4 * (embed + 2 * 2 * 8 * 24 + read_out),
        "linear attention": 4 * (embed + 2 * (block + 2 * (4 * (4 + 5) + 2 * 4 * 5)) + read_out),
        "static slots": 4 * (embed + 8 * 8 + 2 * 3 * 8 + read_out),
    }
    for name, products in expected.items():
        assert models[name].flops(4) == 2 * products, name
