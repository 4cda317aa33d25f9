"""Answers of the one compiled graph, whatever the length and the number of programs; interval means."""

import numpy as np
from mindspore import Tensor

from sfm_ms.data.input_shape import input_shape
from sfm_ms.data.splits import test_programs as programs_of_test
from sfm_ms.models import build
from sfm_ms.recipe import load
from sfm_ms.tasks import state_tracking
from sfm_ms.train.metrics import Answerer, Interval

LANGUAGE = state_tracking.Language()


def test_any_length_and_count_is_answered_with_one_graph():
    recipe = load("debug/state_tracking", ["task.test_programs=7"])
    model = build(recipe, input_shape(recipe))
    answer = Answerer(model, segment=6, batch_size=3)
    for multiplier in (1, 2, 5):
        programs = programs_of_test(recipe, multiplier)
        statements = state_tracking.encode(programs)
        questions = state_tracking.question_tokens(LANGUAGE, programs.queried[:, None])
        answers = answer(programs)
        whole = Tensor(statements), Tensor(questions), model.initial_state(7)
        log_probabilities, ticks, _ = model(*whole)  # a graph of that length
        assert answers.values.shape == (7,) and np.array_equal(answers.values, log_probabilities.asnumpy()[:, -1, 0].argmax(-1))
        assert np.allclose(answers.ticks, ticks.asnumpy(), atol=1e-5)
        assert answer.num_graphs == 1


def test_programs_of_unequal_length_are_answered_as_they_end():
    recipe = load("debug/state_tracking")
    model = build(recipe, input_shape(recipe))
    programs = state_tracking.generate(LANGUAGE, 0, 0, np.arange(9), 1, 20)
    together = Answerer(model, segment=6, batch_size=9)(programs)
    alone = Answerer(model, segment=6, batch_size=1)
    for i in range(9):
        one = state_tracking.generate(LANGUAGE, 0, 0, np.array([i]), 1, 20)
        assert alone(one).values[0] == together.values[i]


def test_interval_state_goes_on_where_it_was():
    interval = Interval(("loss",))
    interval.add(loss=1.0)
    resumed = Interval(("loss",), interval.state())
    for each in (interval, resumed):
        each.add(loss=0.1)
        assert each.means() == {"loss": 0.55}
