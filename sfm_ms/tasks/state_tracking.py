"""State tracking: programs over a few bounded variables, and the question which value one of them ends with.

A program first gives every variable a constant, then runs `n` operations, each drawn uniformly from the kinds of its
family:

    classic   a = 37          a = a + b, a = a * 7     a = b
    full      the same and    a += b                   a, b = b, a      if a > b: c = d
    chained   a = a + b, a = a - 7                     a, b = b, a      if a > b: c = d

In `classic` and `full` every result is clamped to 0..100. `classic` is the "hard" distribution of the prototype
(changcheng967/state-flow-machine, experiments/exp0_state_tracking/generate_data.py) without its answer line. In `chained`
results are taken modulo m and no operation forgets what came before: constants only add and subtract, and no variable
meets itself, so the answer hangs on nearly all statements.

Shapes: P programs, T statements of the longest one, V variables, W tokens a statement.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

NUM_CLAMPED = 101  # numbers of a family that clamps: 0..100
MAX_OPERAND = 20
OPERATORS = "+-*"
VARIABLES = "abcdefghijklmnopqrstuvwxyz"
PADDING = "<pad>"

# The words of a statement by its kind; in capitals its fields, which are arrays of Programs.
TEMPLATES = {
    "assign": "TARGET = RIGHT",
    "update": "TARGET = TARGET OPERATOR RIGHT",
    "copy": "TARGET = RIGHT",
    "accumulate": "TARGET += RIGHT",
    "swap": "TARGET , RIGHT = RIGHT , TARGET",
    "conditional": "if LEFT > THAN : TARGET = RIGHT",
}
KINDS = tuple(TEMPLATES)
ASSIGN, UPDATE, COPY, ACCUMULATE, SWAP, CONDITIONAL = range(len(KINDS))
FAMILIES = {
    "classic": (ASSIGN, UPDATE, COPY),
    "full": (ASSIGN, UPDATE, COPY, ACCUMULATE, SWAP, CONDITIONAL),
    "chained": (UPDATE, SWAP, CONDITIONAL),
}


@dataclass(frozen=True)
class Language:
    """What programs of a family are written with. `modulus` is that of the family `chained`; the others clamp."""

    family: str = "classic"
    num_variables: int = 5
    modulus: int = NUM_CLAMPED

    @property
    def kinds(self) -> tuple[int, ...]:
        """Of operations, as indices into KINDS."""
        return FAMILIES[self.family]

    @property
    def is_clamped(self) -> bool:
        return self.family != "chained"

    @property
    def num_numbers(self) -> int:
        return NUM_CLAMPED if self.is_clamped else self.modulus

    @property
    def operators(self) -> str:
        return OPERATORS if self.is_clamped else "+-"

    @property
    def variables(self) -> str:
        return VARIABLES[: self.num_variables]

    @property
    def symbols(self) -> list[str]:
        """Padding, then every word that is neither a variable nor a number."""
        words = ["=", *self.operators, *(word for kind in self.kinds for word in TEMPLATES[KINDS[kind]].split())]
        return [PADDING, *dict.fromkeys(word for word in words if not word.isupper())]

    @property
    def statement_width(self) -> int:
        return max(len(TEMPLATES[KINDS[kind]].split()) for kind in self.kinds)

    @property
    def vocabulary(self) -> list[str]:
        return [*self.symbols, *self.variables, *(str(n) for n in range(self.num_numbers))]

    def store(self, result):
        """What a variable takes when a result is put into it."""
        return np.clip(result, 0, NUM_CLAMPED - 1) if self.is_clamped else np.mod(result, self.modulus)

    def input_shape(self) -> InputShape:
        return InputShape(len(self.symbols), self.num_variables, self.num_numbers, self.statement_width)


class InputShape(NamedTuple):
    """What a lexer tells of a language: tokens are symbols (0 is padding), then names of variables, then numbers."""

    num_symbols: int
    num_names: int
    num_numbers: int
    statement_width: int

    @property
    def first_number(self) -> int:
        return self.num_symbols + self.num_names

    @property
    def num_tokens(self) -> int:
        return self.first_number + self.num_numbers


@dataclass(frozen=True)
class Programs:
    """A batch of programs, statement by statement, and the variable that is asked for at the end of each.

    `kind` is an index into KINDS; `target`, `left` and `than` are variables, `right` is one where `right_is_variable`
    and a number elsewhere, `operator` an index into OPERATORS. Fields that a kind does not have hold anything.
    Statements at or after `lengths` are padding. Arrays are (P, T) but for `lengths` and `queried`, which are (P,).
    """

    language: Language
    lengths: np.ndarray
    queried: np.ndarray
    kind: np.ndarray
    target: np.ndarray
    operator: np.ndarray
    right_is_variable: np.ndarray
    right: np.ndarray
    left: np.ndarray
    than: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, rows: slice) -> Programs:
        """Some of the programs."""
        arrays = {field.name: getattr(self, field.name)[rows] for field in fields(self) if field.name != "language"}
        return Programs(self.language, **arrays)

    @property
    def is_statement(self) -> np.ndarray:
        """(P, T) False where there is padding."""
        return np.arange(self.kind.shape[1]) < self.lengths[:, None]

    def lines(self, index: int) -> list[str]:
        """The program as Python source lines, without the question."""
        words = self.language.vocabulary
        statements = encode(self[index : index + 1])[0, : self.lengths[index]]
        lines = [" ".join(words[token] for token in statement if token) for statement in statements]
        return [line.replace(" ,", ",").replace(" :", ":") for line in lines]


def generate(
    language: Language, seed: int, stream: int, indices: np.ndarray, min_operations: int, max_operations: int
) -> Programs:
    """Programs `indices` of a stream; program i is a pure function of (seed, stream, i) and of the distribution."""
    num_variables = language.num_variables
    num_statements = num_variables + max_operations
    draws = np.empty((len(indices), num_statements + 1, 8))
    for row, index in enumerate(indices):
        generator = np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, 0, 0, int(index)]))
        draws[row] = generator.random(draws.shape[1:])

    def uniform(column: int, low: int, high: int) -> np.ndarray:
        return low + (draws[:, 1:, column] * (high - low + 1)).astype(np.int64)

    def other_than(variable: np.ndarray, column: int) -> np.ndarray:
        return (variable + 1 + uniform(column, 0, num_variables - 2)) % num_variables

    num_operations = min_operations + (draws[:, 0, 0] * (max_operations - min_operations + 1)).astype(np.int64)
    kind = np.array(language.kinds)[uniform(0, 0, len(language.kinds) - 1)]
    target = uniform(1, 0, num_variables - 1)
    is_initial = np.arange(num_statements) < num_variables
    kind[:, is_initial] = ASSIGN
    target[:, is_initial] = np.arange(num_variables)

    right_is_variable = (kind != ASSIGN) & ((kind != UPDATE) | (draws[:, 1:, 3] < 0.5))
    operand = uniform(4, 1, min(MAX_OPERAND, language.num_numbers - 1))
    constant = np.where(kind == ASSIGN, uniform(4, 0, language.num_numbers - 1), operand)
    variable = uniform(5, 0, num_variables - 1)
    never_itself = (kind == SWAP) | (kind == CONDITIONAL) | (not language.is_clamped)
    variable = np.where(never_itself, other_than(target, 5), variable)
    left = uniform(6, 0, num_variables - 1)
    return Programs(
        language,
        lengths=num_variables + num_operations,
        queried=(draws[:, 0, 1] * num_variables).astype(np.int64),
        kind=kind,
        target=target,
        operator=uniform(2, 0, len(language.operators) - 1),
        right_is_variable=right_is_variable,
        right=np.where(right_is_variable, variable, constant),
        left=left,
        than=other_than(left, 7),
    )


def run(programs: Programs, window: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Execute; with `window`, only the last `window` statements of each program.

    Returns the values (P, T, V) after every statement and whether they are known (a variable is unknown until
    statements inside the window determine it).
    """
    num_programs, num_statements = programs.kind.shape
    num_variables = programs.language.num_variables
    first = np.zeros(num_programs, np.int64) if window is None else np.maximum(programs.lengths - window, 0)
    state = np.zeros((num_programs, num_variables), np.int64)
    is_known = np.zeros_like(state, dtype=bool)
    values = np.empty((num_programs, num_statements, num_variables), np.int64)
    known = np.empty_like(values, dtype=bool)
    for t in range(num_statements):
        rows = np.flatnonzero((t >= first) & (t < programs.lengths))
        _execute(programs, t, rows, state, is_known)
        values[:, t], known[:, t] = state, is_known
    return values, known


def _execute(programs: Programs, t: int, rows: np.ndarray, state: np.ndarray, is_known: np.ndarray) -> None:
    """Statement t of the programs `rows`: changes their state (P, V) and what is known of it (P, V)."""
    kind, target, right = programs.kind[rows, t], programs.target[rows, t], programs.right[rows, t]
    left, than = programs.left[rows, t], programs.than[rows, t]
    from_variable = programs.right_is_variable[rows, t]
    variable = np.where(from_variable, right, 0)
    old, old_known = state[rows, target], is_known[rows, target]
    operand = np.where(from_variable, state[rows, variable], right)
    operand_known = is_known[rows, variable] | ~from_variable

    computed = np.choose(programs.operator[rows, t], [old + operand, old - operand, old * operand])
    is_taken = state[rows, left] > state[rows, than]
    result = np.select(
        [kind == UPDATE, kind == ACCUMULATE, kind == CONDITIONAL],
        [computed, old + operand, np.where(is_taken, operand, old)],
        operand,
    )
    test_known = is_known[rows, left] & is_known[rows, than]
    chosen_known = test_known & np.where(is_taken, operand_known, old_known)
    same_either_way = old_known & operand_known & (old == operand)
    result_known = np.select(
        [(kind == UPDATE) | (kind == ACCUMULATE), kind == CONDITIONAL],
        [old_known & operand_known, chosen_known | same_either_way],
        operand_known,
    )
    state[rows, target], is_known[rows, target] = programs.language.store(result), result_known
    swaps = kind == SWAP
    state[rows[swaps], variable[swaps]], is_known[rows[swaps], variable[swaps]] = old[swaps], old_known[swaps]


def encode(programs: Programs) -> np.ndarray:
    """Statements as token ids (P, T, W) int32, padded on the right with 0."""
    language = programs.language
    symbols = language.symbols
    first_variable = len(symbols)
    first_number = first_variable + language.num_variables
    words = {
        "TARGET": programs.target + first_variable,
        "LEFT": programs.left + first_variable,
        "THAN": programs.than + first_variable,
        "RIGHT": programs.right + np.where(programs.right_is_variable, first_variable, first_number),
        "OPERATOR": np.array([symbols.index(operator) for operator in language.operators])[programs.operator],
    }
    tokens = np.zeros((*programs.kind.shape, language.statement_width), np.int32)
    for kind, template in enumerate(TEMPLATES.values()):
        is_kind = (programs.kind == kind) & programs.is_statement
        if not is_kind.any():
            continue
        for column, word in enumerate(template.split()):
            tokens[is_kind, column] = words[word][is_kind] if word.isupper() else symbols.index(word)
    return tokens


def question_tokens(language: Language, variables: np.ndarray) -> np.ndarray:
    """The tokens that ask for these variables, int32 of the same shape."""
    return (variables + len(language.symbols)).astype(np.int32)


def true_answers(programs: Programs) -> np.ndarray:
    """The final value of each program's queried variable, (P,)."""
    return at_the_end(programs, run(programs)[0])


def at_the_end(programs: Programs, values: np.ndarray) -> np.ndarray:
    """Of (P, T, V), what stands after each program's last statement for its queried variable, (P,)."""
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
    counts = np.take_along_axis(known, every_statement, axis=2) & programs.is_statement[:, :, None]
    weights = np.zeros(labels.shape, np.float32)
    if mode == "queried":
        weights += statement_weight * counts / counts.sum(1, keepdims=True)
    elif mode == "all":
        counts[:, :, 0] = False
        weights += statement_weight * counts / counts.sum((1, 2), keepdims=True)
    weights[:, :, 0] += np.arange(num_statements) == programs.lengths[:, None] - 1
    return asked, labels, weights
