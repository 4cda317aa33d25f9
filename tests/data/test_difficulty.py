"""The curriculum goes on to harder programs, comes back to easier ones, and leaves none out."""

import json

import pytest

from sfm_ms.data.difficulty import FLOOR, HIGH, LOW, RATE, checked, start, updated, weights
from sfm_ms.tasks.programs import DIFFICULTIES


def shown_most(*accuracies):
    chances = weights({str(difficulty): accuracy for difficulty, accuracy in zip(DIFFICULTIES, accuracies, strict=True)})
    return 1 + chances.index(max(chances))


def test_the_weights_are_those_of_the_formula():
    found = weights({"1": 0.9, "2": 0.64, "3": 0.7, "4": 0.0, "5": 0.0})
    reach = (0.64 - LOW) / (HIGH - LOW)
    unscaled = [FLOOR + 0.1, FLOOR + 0.36, FLOOR + reach * 0.3, FLOOR + reach, FLOOR]  # 4 is out of its depth below 5
    assert found == pytest.approx([weight / sum(unscaled) for weight in unscaled])


def test_training_goes_up_when_a_difficulty_is_mastered_and_down_when_it_is_lost():
    assert shown_most(0, 0, 0, 0, 0) == 1
    assert shown_most(HIGH, 0, 0, 0, 0) == 2
    assert shown_most(0.95, 0.9, HIGH, 0.1, 0) == 4
    assert shown_most(0.95, 0.4, 0.3, 0.1, 0) == 2
    assert shown_most(0.3, 0.95, 0.95, 0.95, 0.95) == 1  # what was known is forgotten


def test_no_difficulty_of_the_task_is_left_out_and_no_other_is_drawn():
    for state in (start(DIFFICULTIES), dict.fromkeys(start(DIFFICULTIES), 1.0)):
        assert sum(weights(state)) == pytest.approx(1) and min(weights(state)) > 0.05
    assert weights(dict.fromkeys(start(DIFFICULTIES), 1.0)) == pytest.approx([0.2] * 5)
    some = weights(start((2, 4)))
    assert [chance > 0 for chance in some] == [False, True, False, True, False] and some[1] > some[3]


def test_a_learner_is_led_through_all_difficulties():
    """Whose accuracy at a difficulty grows with how often it is shown."""
    state, known, led = start(DIFFICULTIES), dict.fromkeys(DIFFICULTIES, 0.0), []
    for _ in range(60):
        chances = weights(state)
        led.append(1 + chances.index(max(chances)))
        for difficulty, chance in zip(DIFFICULTIES, chances, strict=True):
            known[difficulty] += 0.8 * chance * (1 - known[difficulty])
        state = updated(state, known)
    first = [led.index(difficulty) for difficulty in DIFFICULTIES]
    assert first == sorted(first) and min(state.values()) > 0.95


def test_a_probe_moves_the_accuracy_by_its_rate_and_leaves_the_old_one():
    before = {"1": 0.5, "3": 0.0}
    after = updated(before, {3: 1.0, 1: 0.5})
    assert after == {"1": 0.5, "3": pytest.approx(RATE)} and before == {"1": 0.5, "3": 0.0}


def test_the_state_comes_back_from_json():
    state = updated(start(DIFFICULTIES), dict.fromkeys(DIFFICULTIES, 0.3))
    assert checked(json.loads(json.dumps(state)), DIFFICULTIES) == state
    assert list(checked({"2": 1, "1": 0}, (1, 2)).items()) == [("1", 0.0), ("2", 1.0)]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([0.1, 0.2], r"difficulty: expected an accuracy for each of 1, 2, got \[0.1, 0.2\]"),
        ({"1": 0.5}, "expected an accuracy for each of 1, 2, got {'1': 0.5}"),
        ({"1": 0.5, "2": 0.5, "3": 0.5}, "expected an accuracy for each of 1, 2"),
        ({"1": 0.5, "2": 1.5}, "expected an accuracy from 0 to 1 for 2, got 1.5"),
        ({"1": float("nan"), "2": 0.5}, "from 0 to 1 for 1, got nan"),
        ({"1": True, "2": 0.5}, "from 0 to 1 for 1, got True"),
        ({"1": "0.5", "2": 0.5}, "from 0 to 1 for 1, got '0.5'"),
    ],
)
def test_what_is_no_state_is_refused(state, message):
    with pytest.raises(ValueError, match=message):
        checked(state, (1, 2))


def test_a_probe_without_one_of_the_difficulties_is_refused():
    with pytest.raises(ValueError, match="expected an accuracy for each of 1, 2, 3, 4, 5"):
        updated(start(DIFFICULTIES), {1: 0.5})
