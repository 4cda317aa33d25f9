"""Self-evolution: how often training shows each difficulty, from how well the model does at it.

    accuracy  a_d <- a_d + RATE (share of the probe that is right - a_d), from 0
    reach     r_d = how far every easier difficulty is on the way from LOW, out of its depth, to HIGH, mastered: the least of
                    (a_e - LOW) / (HIGH - LOW) over easier e, within 0 to 1; 1 for the easiest difficulty
    weight    w_d ~ FLOOR + r_d (1 - a_d)

So a difficulty is shown for what is still to be learned of it, once what is easier is known: training goes on to harder programs
above HIGH, back to easier ones below LOW, and to all alike when all are mastered. None is ever left out, or it might be forgotten
unseen. The bounds are those between which the prototype moved one number up and down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sfm_ms.tasks.programs import DIFFICULTIES

RATE = 0.3  # five probes make up five sixths of the accuracy
LOW, HIGH = 0.5, 0.85
FLOOR = 0.1


def start(difficulties: Iterable[int]) -> dict[str, float]:
    """The accuracy at each difficulty, by its number as text: what a checkpoint's state.json holds."""
    return {str(difficulty): 0.0 for difficulty in difficulties}


def checked(accuracies: object, difficulties: Iterable[int]) -> dict[str, float]:
    """The accuracies as read from a file; ValueError unless they are one for each of the difficulties, from 0 to 1."""
    expected = [str(difficulty) for difficulty in difficulties]
    if not isinstance(accuracies, dict) or sorted(accuracies) != sorted(expected):
        raise ValueError(f"difficulty: expected an accuracy for each of {', '.join(expected)}, got {accuracies!r}")
    for name, value in accuracies.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ValueError(f"difficulty: expected an accuracy from 0 to 1 for {name}, got {value!r}")
    return {name: float(accuracies[name]) for name in expected}


def updated(accuracies: Mapping[str, float], probe: Mapping[int, float]) -> dict[str, float]:
    """After a probe: {difficulty: share that is right}. ValueError as in `checked`."""
    found = checked({str(difficulty): share for difficulty, share in probe.items()}, map(int, accuracies))
    return {name: before + RATE * (found[name] - before) for name, before in accuracies.items()}


def weights(accuracies: Mapping[str, float]) -> tuple[float, ...]:
    """Chances of difficulties 1 to 5 to be drawn; 0 for those that are not the task's."""
    unscaled, reach = dict.fromkeys(DIFFICULTIES, 0.0), 1.0
    for difficulty in sorted(map(int, accuracies)):
        accuracy = accuracies[str(difficulty)]
        unscaled[difficulty] = FLOOR + reach * (1 - accuracy)
        reach = min(reach, max(0.0, (accuracy - LOW) / (HIGH - LOW)))
    total = sum(unscaled.values())
    return tuple(weight / total for weight in unscaled.values())
