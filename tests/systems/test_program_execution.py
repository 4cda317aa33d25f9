"""Invariants of the Execution system and of the state tracker on it."""

import mindspore as ms
import numpy as np
import pytest
from gradients import assert_all_learn
from mindspore import Tensor

from sfm_ms.models.state_tracker import StateTracker
from sfm_ms.recipe.schema import StateTrackerModel
from sfm_ms.tasks import state_tracking
from sfm_ms.train.step import SegmentLoss

LANGUAGE = state_tracking.Language("full", num_variables=3)
SHAPE = LANGUAGE.input_shape()
CONFIG = StateTrackerModel(num_slots=6, value_dim=46, token_dim=5, instruction_dim=7, unit_dim=9)


def tracker(**changes):
    return StateTracker(StateTrackerModel(**{**vars(CONFIG), **changes}), SHAPE, seed=1)


def inputs(count=4, operations=5, seed=0):
    programs = state_tracking.generate(LANGUAGE, seed, 0, np.arange(count), operations, operations)
    questions = state_tracking.question_tokens(LANGUAGE, np.tile(np.arange(2), (count, 1)))
    return state_tracking.encode(programs), questions


def run(model, statements, questions, slots=None):
    slots = model.initial_state(len(statements)) if slots is None else Tensor(slots)
    return [output.asnumpy() for output in model(Tensor(statements), Tensor(questions), slots)]


VARIANTS = {
    "one tick": {},
    "forget gate": {"forget_gate": True},
    "learned ticks": {"max_ticks": 3},
    "fixed ticks": {"max_ticks": 3, "halting": "fixed"},
    "no erase": {"erase": False},
}


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def model(request):
    return tracker(**request.param)


def test_shapes_and_probabilities(model):
    statements, questions = inputs()
    log_probabilities, ticks, slots = run(model, statements, questions)
    assert log_probabilities.shape == (4, 8, 2, 101) and slots.shape == (4, 6, 101)
    num_ticks = model.execution.num_ticks
    assert ticks.shape == (4, 8) and ticks.min() >= 1 and ticks.max() <= num_ticks
    assert model.execution.halts or (ticks == num_ticks).all()
    assert np.allclose(np.exp(log_probabilities).sum(-1), 1, atol=1e-5)


def test_causal(model):
    statements, questions = inputs()
    changed = statements.copy()
    changed[:, 5:] = inputs(seed=1)[0][:, 5:]
    before, after = run(model, statements, questions)[0], run(model, changed, questions)[0]
    assert np.array_equal(before[:, :5], after[:, :5]) and not np.allclose(before[:, 5:], after[:, 5:])


@pytest.mark.parametrize("segment", [1, 3])
def test_segments_with_carried_slots_equal_the_whole(model, segment):
    statements, questions = inputs()
    whole, _, last = run(model, statements, questions)
    parts, slots = [], None
    for start in range(0, statements.shape[1], segment):
        part, _, slots = run(model, statements[:, start : start + segment], questions, slots)
        parts.append(part)
    assert np.allclose(np.concatenate(parts, 1), whole, atol=1e-4) and np.allclose(slots, last, atol=1e-5)


def test_batch_rows_do_not_mix(model):
    statements, questions = inputs()
    changed = statements.copy()
    changed[1:] = inputs(seed=1)[0][1:]
    assert np.allclose(run(model, statements, questions)[0][0], run(model, changed, questions)[0][0], atol=1e-6)


def test_padding_changes_nothing(model):
    statements, questions = inputs()
    slots = run(model, statements, questions)[-1]
    padded = np.concatenate([statements, np.zeros_like(statements[:, :3])], axis=1)
    log_probabilities, _, padded_slots = run(model, padded, questions)
    assert np.allclose(slots, padded_slots, atol=1e-6)
    assert np.allclose(log_probabilities[:, 7], log_probabilities[:, 10], atol=1e-5)


def test_every_parameter_and_the_slots_get_a_gradient_the_same_at_every_call(model):
    assert_all_learn(model, *inputs())


def test_a_seed_fixes_the_weights():
    weights = [{parameter.name: parameter.asnumpy() for parameter in tracker().trainable_params()} for _ in range(2)]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    other = StateTracker(CONFIG, SHAPE, seed=2)
    assert any(not np.array_equal(parameter.asnumpy(), weights[0][parameter.name]) for parameter in other.trainable_params())


def test_flops_count_the_products_of_the_graph():
    """Against a count by hand at sizes where every term is another number: 8 tokens, 3 ticks."""
    encode = 8 * 5 * 7 + 3 * (7 * 9 + 7 * 8 + 7)
    look_up = 8 * (6 * 101 + 101 * 46) + 8 * 46 * 18
    tick = 9 * 101 + 9 * 2 + 6 * 101 + 6 * 101 + 6 * 101  # compute, choose, erase, write, mix
    register = 101 * 18
    assert tracker(max_ticks=3).flops(4) == 2 * 4 * (encode + look_up + 3 * tick + 2 * register + 6 * 101)


def test_gradients_through_learned_halting_by_central_differences():
    """Of the loss with the cost of ticks: along random directions of all weights, and along each weight's own gradient."""
    rng = np.random.default_rng(5)
    model = tracker(max_ticks=3)
    encoder, unit = model.execution.encoder, model.execution.unit
    for parameter, std in ((encoder.halt_IJ, 1), (unit.choice_HK, 1), (encoder.address_AN, 0.2)):  # no choice is near 0 or 1
        parameter.set_data(Tensor((std * rng.normal(size=parameter.shape)).astype(np.float32)))
    programs = state_tracking.generate(LANGUAGE, 0, 0, np.arange(4), 5, 5)
    asked, labels, counts = state_tracking.supervise(programs, "all", statement_weight=4.0)
    arrays = (state_tracking.encode(programs), state_tracking.question_tokens(LANGUAGE, asked), labels, counts)
    inputs = (*map(Tensor, arrays), model.initial_state(4), model.initial_state(4))
    loss, parameters = SegmentLoss(model, tick_cost=2.0), list(model.trainable_params())
    weights = [parameter.asnumpy().copy() for parameter in parameters]
    gradients = [gradient.asnumpy() for gradient in ms.grad(loss, None, parameters, has_aux=True)(*inputs)[0]]

    def loss_at(shifts):
        for parameter, weight, shift in zip(parameters, weights, shifts, strict=True):
            parameter.set_data(Tensor((weight + shift).astype(np.float32)))
        return float(loss(*inputs)[0].asnumpy())

    def slope(directions, step):
        above, below = (loss_at([sign * step * direction for direction in directions]) for sign in (1, -1))
        return (above - below) / (2 * step)

    for _ in range(3):
        directions = [rng.normal(size=weight.shape) * (weight.std() or 0.1) for weight in weights]
        expected = sum((gradient * direction).sum() for gradient, direction in zip(gradients, directions, strict=True))
        assert np.isclose(slope(directions, step=1e-3), expected, rtol=1e-2)
    for i, parameter in enumerate(parameters):
        norm = np.linalg.norm(gradients[i])
        directions = [gradient / norm if j == i else np.zeros_like(gradient) for j, gradient in enumerate(gradients)]
        assert np.isclose(slope(directions, step=1e-2), norm, rtol=1e-2), parameter.name


def test_a_tracker_that_halts_at_once_is_one_of_one_tick():
    """The weights of the tracker of one tick are the first tick's."""
    many, one = tracker(max_ticks=3), tracker()
    encoder = many.execution.encoder
    encoder.instruction_bias.set_data(Tensor([1e3, 0, 0, 0, 0, 0, 0], ms.float32))  # number 0 of every instruction is 1
    weights = {parameter.name: parameter.asnumpy() for parameter in many.trainable_params()}
    for parameter in one.trainable_params():
        of_first_tick = tuple(slice(size) for size in parameter.shape)
        parameter.set_data(Tensor(weights[parameter.name][of_first_tick]))
    statements, questions = inputs(operations=3)
    expected_answers, _, expected_slots = run(one, statements, questions)
    _, ticks, slots = run(many, statements, questions)
    assert ticks.min() > 1.1 and np.abs(slots - expected_slots).max() > 1e-3
    encoder.halt_IJ.set_data(Tensor(np.eye(7, 1, dtype=np.float32).repeat(2, 1) * 1e3))  # so every instruction says: halt
    answers, ticks, slots = run(many, statements, questions)
    assert (ticks == 1).all() and np.allclose(slots, expected_slots, atol=1e-6)
    assert np.allclose(answers, expected_answers, atol=1e-4)
