"""State tracking: programs over a few bounded variables, and the question which value one of them ends with.

A program of family `classic` first gives every variable a constant, then runs `n` operations, each drawn uniformly
from: a constant assignment (`a = 37`), an update (`a = a + b`, `a = a * 7`), a copy (`a = b`). After every statement
the result is clamped to 0..100, so an answer is one of 101 classes. It is the "hard" distribution of the prototype
(changcheng967/state-flow-machine, experiments/exp0_state_tracking/generate_data.py) without its answer line.

Shapes: P programs, T statements of the longest one, V variables, W = 5 tokens a statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MAX_VALUE = 100
NUM_CLASSES = MAX_VALUE + 1
MAX_OPERAND = 20
STATEMENT_WIDTH = 5
OPERATORS = ("", "+", "-", "*")
VARIABLES = "abcdefghijklmnopqrstuvwxyz"
_SYMBOLS = ("<pad>", "=", "+", "-", "*")


@dataclass(frozen=True)
class Programs:
    """A batch of programs, statement by statement: `target = [target operator] right`, and the variable asked for.

    Statements at or after `lengths` are padding. Arrays are (P, T) but for `lengths` and `queried`, which are (P,).
    """

    num_variables: int
    lengths: np.ndarray
    queried: np.ndarray
    target: np.ndarray
    operator: np.ndarray
    right_is_variable: np.ndarray
    right: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    def lines(self, index: int) -> list[str]:
        """The program as Python source lines, without the question."""
        lines = []
        for t in range(self.lengths[index]):
            target = VARIABLES[self.target[index, t]]
            operator = OPERATORS[self.operator[index, t]]
            right = self.right[index, t]
            operand = VARIABLES[right] if self.right_is_variable[index, t] else str(right)
            lines.append(f"{target} = {target} {operator} {operand}" if operator else f"{target} = {operand}")
        return lines


def generate(
    seed: int, stream: int, indices: np.ndarray, min_operations: int, max_operations: int, num_variables: int = 5
) -> Programs:
    """Programs `indices` of a stream; program i is a pure function of (seed, stream, i) and of the distribution."""
    num_statements = num_variables + max_operations
    draws = np.empty((len(indices), num_statements + 1, 6))
    for row, index in enumerate(indices):
        generator = np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, 0, 0, int(index)]))
        draws[row] = generator.random(draws.shape[1:])

    def uniform(column: int, low: int, high: int) -> np.ndarray:
        return low + (draws[:, 1:, column] * (high - low + 1)).astype(np.int64)

    num_operations = min_operations + (draws[:, 0, 0] * (max_operations - min_operations + 1)).astype(np.int64)
    kind = uniform(0, 0, 2)  # 0 constant assignment, 1 update, 2 copy
    target = uniform(1, 0, num_variables - 1)
    is_initial = np.arange(num_statements) < num_variables
    kind[:, is_initial] = 0
    target[:, is_initial] = np.arange(num_variables)

    operator = np.where(kind == 1, uniform(2, 1, 3), 0)
    right_is_variable = (kind == 2) | ((kind == 1) & (draws[:, 1:, 3] < 0.5))
    constant = np.where(kind == 0, uniform(4, 0, MAX_VALUE), uniform(4, 1, MAX_OPERAND))
    right = np.where(right_is_variable, uniform(5, 0, num_variables - 1), constant)
    queried = (draws[:, 0, 1] * num_variables).astype(np.int64)
    return Programs(num_variables, num_variables + num_operations, queried, target, operator, right_is_variable, right)


def run(programs: Programs, window: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Execute; with `window`, only the last `window` statements of each program.

    Returns the values (P, T, V) after every statement and whether they are known (a variable is unknown until a
    statement inside the window determines it).
    """
    num_programs, num_statements = programs.target.shape
    rows = np.arange(num_programs)
    first = np.zeros(num_programs, np.int64) if window is None else np.maximum(programs.lengths - window, 0)
    state = np.zeros((num_programs, programs.num_variables), np.int64)
    is_known = np.zeros_like(state, dtype=bool)
    values = np.empty((num_programs, num_statements, programs.num_variables), np.int64)
    known = np.empty_like(values, dtype=bool)
    for t in range(num_statements):
        target, operator, right = programs.target[:, t], programs.operator[:, t], programs.right[:, t]
        from_variable = programs.right_is_variable[:, t]
        index = np.where(from_variable, right, 0)
        left_value, right_value = state[rows, target], np.where(from_variable, state[rows, index], right)
        result = np.choose(operator, [right_value, left_value + right_value, left_value - right_value, left_value * right_value])
        runs = (t >= first) & (t < programs.lengths)
        result_known = (is_known[rows, index] | ~from_variable) & (is_known[rows, target] | (operator == 0))
        state[rows, target] = np.where(runs, np.clip(result, 0, MAX_VALUE), state[rows, target])
        is_known[rows, target] = np.where(runs, result_known, is_known[rows, target])
        values[:, t], known[:, t] = state, is_known
    return values, known


class InputShape(NamedTuple):
    """What a model must know of its input: token 0 is padding, then symbols (variables among them), then numbers."""

    num_symbols: int
    num_numbers: int
    statement_width: int


def input_shape(num_variables: int) -> InputShape:
    return InputShape(len(_SYMBOLS) + num_variables, NUM_CLASSES, STATEMENT_WIDTH)


def vocabulary(num_variables: int) -> list[str]:
    return [*_SYMBOLS, *VARIABLES[:num_variables], *(str(n) for n in range(NUM_CLASSES))]


def encode(programs: Programs) -> np.ndarray:
    """Statements as token ids (P, T, W) int32: `target = [target operator] right`, padded on the right with 0."""
    first_variable = len(_SYMBOLS)
    first_number = first_variable + programs.num_variables
    target = programs.target + first_variable
    right = programs.right + np.where(programs.right_is_variable, first_variable, first_number)
    tokens = np.zeros((*target.shape, STATEMENT_WIDTH), np.int32)
    tokens[..., 0], tokens[..., 1] = target, _SYMBOLS.index("=")
    is_update = programs.operator > 0
    tokens[..., 2] = np.where(is_update, target, right)
    tokens[..., 3] = np.where(is_update, programs.operator + _SYMBOLS.index("+") - 1, 0)
    tokens[..., 4] = np.where(is_update, right, 0)
    is_padding = np.arange(target.shape[1]) >= programs.lengths[:, None]
    tokens[is_padding] = 0
    return tokens


def question_tokens(variables: np.ndarray) -> np.ndarray:
    """The tokens that ask for these variables, int32 of the same shape."""
    return (variables + len(_SYMBOLS)).astype(np.int32)


def true_answers(programs: Programs) -> np.ndarray:
    """The final value of each program's queried variable, (P,)."""
    return _final(programs, run(programs)[0])


def _final(programs: Programs, values: np.ndarray) -> np.ndarray:
    return values[np.arange(len(programs)), programs.lengths - 1, programs.queried]


def supervise(programs: Programs, mode: str, statement_weight: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is asked of each program, the true values, and how much each counts.

    Returns variables (P, Q), labels (P, T, Q) int32 and weights (P, T, Q) float32. Question 0 is the queried variable;
    `all` adds one question for every variable. The final answer weighs 1; `queried` and `all` add the mean over all
    statements after which the value exists, times `statement_weight`.
    """
    values, known = run(programs)
    num_programs, num_statements, num_variables = values.shape
    asked = programs.queried[:, None]
    if mode == "all":
        asked = np.concatenate([asked, np.tile(np.arange(num_variables), (num_programs, 1))], axis=1)
    every_statement = asked[:, None, :].repeat(num_statements, axis=1)
    labels = np.take_along_axis(values, every_statement, axis=2).astype(np.int32)
    t = np.arange(num_statements)
    counts = np.take_along_axis(known, every_statement, axis=2) & (t < programs.lengths[:, None])[:, :, None]
    weights = np.zeros(labels.shape, np.float32)
    if mode == "queried":
        weights += statement_weight * counts / counts.sum(1, keepdims=True)
    elif mode == "all":
        counts[:, :, 0] = False
        weights += statement_weight * counts / counts.sum((1, 2), keepdims=True)
    weights[:, :, 0] += t == programs.lengths[:, None] - 1
    return asked, labels, weights


def majority_class(labels: np.ndarray) -> tuple[int, float]:
    """The most frequent label and the accuracy of always answering it."""
    label = int(np.bincount(labels).argmax())
    return label, float((labels == label).mean())


def window_reader(programs: Programs, window: int, otherwise: int) -> np.ndarray:
    """Answers of an exact interpreter that sees only the last `window` lines, or `otherwise` where those do not tell."""
    values, known = run(programs, window)
    return np.where(_final(programs, known), _final(programs, values), otherwise)
