"""Looks inside a trained state tracker: runs one program and keeps, statement by statement, what it read, computed and wrote.

Shapes: T statements, W tokens a statement, J ticks, N slots, C numbers, V variables.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from mindspore import Tensor, nn, ops

from sfm_ms.data.splits import language, test_programs
from sfm_ms.recipe import Recipe
from sfm_ms.tasks.program_text import parse
from sfm_ms.tasks.state_tracking import KINDS, SWAP, Programs, encode, question_tokens
from sfm_ms.tasks.state_tracking import run as run_programs
from sfm_ms.train import trained
from sfm_ms.train.run_folder import RunError, RunFolder

SHOWN = 0.05  # slots that are read or written less than this are left out of the text


@dataclass(frozen=True)
class Read:
    token: str
    weights: list[float]  # how strongly each slot is read


@dataclass(frozen=True)
class Tick:
    reached: float  # the chance that it runs
    writes: list[float]  # how strongly each slot is written
    result: int  # the most likely number it computed
    probability: float


@dataclass(frozen=True)
class Slot:
    value: int  # the most likely number in it
    probability: float


@dataclass(frozen=True)
class Variable:
    variable: str
    value: int
    probability: float
    true: int | None  # None while the program has not given it one
    slot: int  # where its name points


@dataclass(frozen=True)
class Statement:
    line: int
    text: str
    kind: str
    ticks: float  # expected number
    reads: list[Read]
    tick_steps: list[Tick]
    writes: list[float]  # how strongly each slot is written by all ticks: the share of it that is new
    slots: list[Slot]  # after the statement, as are the variables
    decoded: list[Variable]


@dataclass(frozen=True)
class Trace:
    run: str
    variables: list[str]
    num_slots: int
    statements: list[Statement]

    def to_dict(self) -> dict:
        return asdict(self)


def trace(run: RunFolder, source: str) -> Trace:
    """The trace of a program's text by the run's model.

    Raises ProgramTextError, RunError (a model without slots, no checkpoint) or CheckpointError.
    """
    recipe = _recipe_with_slots(run)
    programs, line_numbers = parse(source, language(recipe))
    seen = _Inspector(trained.load(run).model)(programs)
    variables = list(programs.language.variables)
    return Trace(str(run.path), variables, recipe.model.num_slots, _statements(programs, line_numbers, seen))


def table(trace: Trace) -> str:
    """The trace as text, one line for each statement; the last column has its targets and whatever is wrong."""
    rows = [["line", "statement", "ticks", "reads", "writes", "decoded (true)"]]
    before: dict[str, int | None] = {}
    for statement in trace.statements:
        reads = [f"{read.token}: {_strengths(read.weights)}" for read in statement.reads]
        shown = [v for v in statement.decoded if v.true != before.get(v.variable) or (v.true is not None and v.value != v.true)]
        decoded = [f"{v.variable} {v.value} ({v.true}){'' if v.value == v.true else ' WRONG'}" for v in shown]
        columns = (f"{statement.ticks:.2f}", "  ".join(dict.fromkeys(reads)), _strengths(statement.writes), "  ".join(decoded))
        rows.append([str(statement.line), statement.text, *columns])
        before = {v.variable: v.true for v in statement.decoded}
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    judged = [v for statement in trace.statements for v in statement.decoded if v.true is not None]
    right = sum(v.value == v.true for v in judged)
    return "\n".join([*lines, f"{right} of {len(judged)} values are right after the statements"])


def _strengths(weights: list[float]) -> str:
    return " ".join(f"slot {slot} {weight:.2f}" for slot, weight in enumerate(weights) if weight >= SHOWN)


@dataclass(frozen=True)
class Summary:
    """`purity`: by variable, the slot that gets most of its writes, by strength, and the share that goes there."""

    purity: dict[str, tuple[int, float]]
    ticks: dict[str, float]  # mean, by kind of statement
    num_programs: int

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"of {self.num_programs} test programs of the shortest length", "variable  slot  share of its writes"]
        lines += [f"{name:<8}  {slot:>4}  {share:.1%}" for name, (slot, share) in self.purity.items()]
        lines += [f"slot purity, mean over variables: {np.mean([share for _, share in self.purity.values()]):.1%}", ""]
        return [*lines, "kind         ticks", *(f"{kind:<11}  {ticks:.2f}" for kind, ticks in self.ticks.items())]


def summary(run: RunFolder, num_programs: int = 200) -> Summary:
    """How purely variables keep to slots, over test programs. Raises RunError or CheckpointError.

    A swap writes two variables, which its writes do not tell apart; it counts for the ticks only.
    """
    recipe = _recipe_with_slots(run)
    inspect = _Inspector(trained.load(run).model)
    programs = test_programs(recipe, recipe.task.test_multipliers[0])
    writes_VN = np.zeros((recipe.task.num_variables, recipe.model.num_slots))
    ticks: dict[str, list[float]] = {}
    for i in range(min(num_programs, len(programs))):
        one = programs[i : i + 1]
        seen = inspect(one)
        for t in range(one.lengths[0]):
            ticks.setdefault(KINDS[one.kind[0, t]], []).append(float(seen.reached_TJ1[t].sum()))
            if one.kind[0, t] != SWAP:
                writes_VN[one.target[0, t]] += _share_that_is_new(seen.writes_TJN[t])
    purity = {
        name: (int(writes_N.argmax()), float(writes_N.max() / writes_N.sum()))
        for name, writes_N in zip(programs.language.variables, writes_VN, strict=True)
    }
    return Summary(purity, {kind: float(np.mean(of_kind)) for kind, of_kind in ticks.items()}, i + 1)


def _share_that_is_new(writes_JN: np.ndarray) -> np.ndarray:
    """Of each slot (N,), after ticks that each replace a share of it."""
    return 1 - np.prod(1 - writes_JN, axis=0)


def _recipe_with_slots(run: RunFolder) -> Recipe:
    recipe = run.recipe()
    if recipe.model.kind != "state_tracker":
        raise RunError(f"{run.path} is the run of a {recipe.model.kind}; only a state_tracker has slots to look into")
    return recipe


class _Inspect(nn.Cell):
    """One statement (1, 1, W) and the slots before it (1, N, C) -> everything that its execution does."""

    def __init__(self, model: nn.Cell):
        super().__init__()
        self.model = model

    def construct(self, statement, questions, slots):
        execution = self.model.execution
        tables = execution.tables()
        (lookup, _), (_, key, *_), _ = execution.encoder(statement[:, 0], tables[0])
        slots, results, beta, reached = execution.execute(0, execution.encode(statement, tables[0]), slots, tables)
        reached_J1 = ops.concat(reached, 0)
        answers, keys = self.model.read_out(slots.expand_dims(1), questions)
        return (
            lookup[0],
            reached_J1 * ops.concat(beta, 0) * key,
            reached_J1,
            ops.concat(results, 0),
            slots,
            answers[0, 0],
            keys[0],
        )


@dataclass(frozen=True)
class _Seen:
    """Arrays over the statements of one program."""

    lookup_TWN: np.ndarray
    writes_TJN: np.ndarray
    reached_TJ1: np.ndarray
    results_TJC: np.ndarray
    slots_TNC: np.ndarray
    answers_TVC: np.ndarray  # log-probabilities
    keys_TVN: np.ndarray  # of the variables' names, the same at every statement


class _Inspector:
    """Runs a program statement by statement with one compiled graph."""

    def __init__(self, model: nn.Cell):
        self.model, self.cell = model, _Inspect(model)

    def __call__(self, programs: Programs) -> _Seen:
        num_variables = programs.language.num_variables
        questions = Tensor(question_tokens(programs.language, np.arange(num_variables)[None]))
        slots, rows = self.model.initial_state(1), []
        for statement_W in encode(programs)[0]:
            *seen, slots, answers, keys = self.cell(Tensor(statement_W[None, None]), questions, slots)
            rows.append([array.asnumpy() for array in (*seen, slots[0], answers, keys)])
        return _Seen(*(np.stack(arrays) for arrays in zip(*rows, strict=True)))


def _statements(programs: Programs, line_numbers: list[int], seen: _Seen) -> list[Statement]:
    words = programs.language.vocabulary
    texts, tokens_TW, (values, known) = programs.lines(0), encode(programs)[0], run_programs(programs)
    statements = []
    for t, line in enumerate(line_numbers):
        lookups = zip(tokens_TW[t], seen.lookup_TWN[t], strict=True)
        ticks = zip(seen.reached_TJ1[t], seen.writes_TJN[t], seen.results_TJC[t], strict=True)
        statements.append(
            Statement(
                line=line,
                text=texts[t],
                kind=KINDS[programs.kind[0, t]],
                ticks=float(seen.reached_TJ1[t].sum()),
                reads=[Read(words[token], weights.tolist()) for token, weights in lookups if weights.any()],
                tick_steps=[
                    Tick(float(reached[0]), writes.tolist(), int(result.argmax()), float(result.max()))
                    for reached, writes, result in ticks
                ],
                writes=_share_that_is_new(seen.writes_TJN[t]).tolist(),
                slots=[Slot(int(slot.argmax()), float(slot.max())) for slot in seen.slots_TNC[t]],
                decoded=_variables(programs.language.variables, t, values[0], known[0], seen),
            )
        )
    return statements


def _variables(names: str, t: int, values_TV: np.ndarray, known_TV: np.ndarray, seen: _Seen) -> list[Variable]:
    """What the model and the interpreter say that the variables are after statement t."""
    answers_VC = np.exp(seen.answers_TVC[t])
    return [
        Variable(
            name,
            value=int(answers_VC[v].argmax()),
            probability=float(answers_VC[v].max()),
            true=int(values_TV[t, v]) if known_TV[t, v] else None,
            slot=int(seen.keys_TVN[t, v].argmax()),
        )
        for v, name in enumerate(names)
    ]
