"""The trace of a program against equations in NumPy, the evaluation path and the interpreter; the command; its real page."""

import dataclasses
import re

import numpy as np
import pytest
from test_cli import sfm

from sfm_ms.cli import main
from sfm_ms.data import splits
from sfm_ms.data.input_shape import input_shape
from sfm_ms.models import build
from sfm_ms.nn.number_codes import number_features
from sfm_ms.nn.statement_encoder import ADDRESS_SCALE, INITIAL_HALT, INITIAL_WRITE
from sfm_ms.recipe import load
from sfm_ms.tasks import state_tracking
from sfm_ms.tasks.interpreter import execute
from sfm_ms.tasks.program_text import ProgramTextError, parse
from sfm_ms.tasks.state_tracking import KINDS, VARIABLES
from sfm_ms.trace import Read, Slot, Statement, Summary, Tick, Trace, Variable, summary, table, trace
from sfm_ms.train import checkpoint, trained
from sfm_ms.train.metrics import Answerer
from sfm_ms.train.run_folder import RunError, RunFolder

pytest_plugins = ["browser"]

LANGUAGE = state_tracking.Language("full")
PROGRAM = state_tracking.generate(LANGUAGE, 1, 100, np.arange(1), 35, 35)
SOURCE = "\n".join(["# forty statements", "", *PROGRAM.lines(0)])

# Factors of some initial weights: what is read, computed, written and how many ticks it takes then differ well.
LOUDER = {"beta_IJ": 30, "halt_IJ": 100, "choice_HK": 3, "output_HV": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with an untrained run of a state tracker, one of a rival, and one that has no checkpoint."""
    folder = tmp_path_factory.mktemp("trace")
    recipe = load("debug/state_tracking", ["name=tracker", "task.family=full", "model.max_ticks=2"])
    run = RunFolder.for_training(folder / "runs", recipe)
    model = build(recipe, input_shape(recipe))
    weights = checkpoint.arrays({parameter.name: parameter for parameter in model.trainable_params()})
    weights = {name: array * np.float32(LOUDER.get(name.split(".")[-1], 1)) for name, array in weights.items()}
    checkpoint.save(run.checkpoints, 0, checkpoint.Checkpoint(weights, {}, {"step": 0}), keep=1)
    checkpoint.point(run.checkpoints, "best", 0)
    RunFolder.for_training(folder / "runs", load("debug/state_tracking", ["name=begun"]))
    RunFolder.for_training(folder / "runs", load("state_tracking/rivals/gru", ["name=rival"]))
    (folder / "program.txt").write_text(SOURCE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return RunFolder(folder / "runs" / "tracker")


@pytest.fixture(scope="module")
def seen(run):
    return trace(run, SOURCE)


def true_values():
    """Of the interpreter: what the variables are after every statement."""
    changes = dict(execute("\n".join(PROGRAM.lines(0)), store=LANGUAGE.store).trace)
    values = {}
    for line in range(1, 41):
        values = changes.get(line, values)  # a conditional that is not taken changes nothing
        yield {variable: values.get(variable) for variable in LANGUAGE.variables}


def test_statements_and_true_values(seen):
    assert [(s.line, s.text) for s in seen.statements] == list(enumerate(PROGRAM.lines(0), start=3))
    assert [s.kind for s in seen.statements] == [KINDS[kind] for kind in PROGRAM.kind[0]]
    assert {s.kind for s in seen.statements} == set(KINDS)
    assert [{v.variable: v.true for v in s.decoded} for s in seen.statements] == list(true_values())
    assert seen.variables == list("abcde") and seen.num_slots == 8


def softmax(logits):
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def unit(weights):
    return weights / np.linalg.norm(weights, axis=-1, keepdims=True)


class Equations:
    """The state tracker as its equations read, in float64 and one statement at a time."""

    def __init__(self, run):
        parameters = trained.load(run).model.trainable_params()
        self.weights = w = {p.name.split(".")[-1]: p.asnumpy().astype(np.float64) for p in parameters}
        self.codes_CV = np.concatenate([number_features(np.arange(101), 101), w["learned_CL"]], 1)
        num_symbols, num_names = len(LANGUAGE.symbols), len(LANGUAGE.variables)
        keys_AN = unit(softmax(ADDRESS_SCALE * w["address_AN"]))
        self.addresses_DN = np.pad(keys_AN, ((num_symbols, 101), (0, 0)))
        self.constants_DV = np.concatenate([w["symbol_SV"], np.zeros((num_names, self.codes_CV.shape[1])), self.codes_CV])
        self.says_DE = np.pad(w["symbol_SE"], ((0, num_names + 101), (0, 0)))
        self.is_name_D = self.addresses_DN.any(1)

    def __call__(self, tokens_W, slots_NC):
        """-> keys of the lookups, for each tick the chance that it runs, its writes and its result; the slots after it."""
        w, num_ticks = self.weights, 2
        instruction_I = np.tanh(self.says_DE[tokens_W].ravel() @ w["instruction_XI"] + w["instruction_bias"])
        gate_JH = 2 * sigmoid(instruction_I @ w["gate_IG"] + w["gate_bias"]).reshape(num_ticks, -1)
        target_JW = (instruction_I @ w["target_IG"]).reshape(num_ticks, -1)
        key_JN = unit(softmax(np.where(self.is_name_D[tokens_W], target_JW, -np.inf)) @ self.addresses_DN[tokens_W])
        beta_J, halt_J = instruction_I @ w["beta_IJ"] + INITIAL_WRITE, instruction_I @ w["halt_IJ"] + INITIAL_HALT
        lookup_WN = self.addresses_DN[tokens_W]
        operands_X = (self.constants_DV[tokens_W] + lookup_WN @ slots_NC @ self.codes_CV).ravel()

        views_G, reached, writes_JN, results_JC, mixed_NC = operands_X @ w["views_XG"], [1.0], [], [], 0
        for j in range(num_ticks):
            register_G = results_JC[-1] @ self.codes_CV @ w["register_VG"] if j else 0
            left_H, right_H = np.split(views_G + register_G, 2)
            products_H = left_H * right_H * gate_JH[j]
            writes, halts = products_H @ w["choice_HK"]
            results_JC.append(softmax(products_H @ w["output_HV"] @ self.codes_CV.T))
            writes_JN.append(sigmoid(beta_J[j] + writes) * key_JN[j])
            slots_NC = slots_NC + np.outer(writes_JN[-1], results_JC[-1] - key_JN[j] @ slots_NC)
            halts = sigmoid(halt_J[j] + halts) if j < num_ticks - 1 else 1
            mixed_NC = mixed_NC + reached[-1] * halts * slots_NC
            reached.append(reached[-1] * (1 - halts))
        return lookup_WN, reached[:num_ticks], np.array(writes_JN), results_JC, mixed_NC

    def answers(self, tokens_V, slots_NC):
        """What the slots hold for variables, and the slots that their names point at."""
        held_VC = np.maximum(self.addresses_DN[tokens_V] @ slots_NC, 0)
        held_VC += np.maximum(1 - held_VC.sum(1, keepdims=True), 0) / 101 + 1e-6
        return held_VC / held_VC.sum(1, keepdims=True), self.addresses_DN[tokens_V].argmax(1)


def test_everything_seen_is_what_the_equations_say(run, seen):
    equations, slots_NC = Equations(run), np.zeros((8, 101))
    questions = state_tracking.question_tokens(LANGUAGE, np.arange(5))
    for tokens_W, statement in zip(state_tracking.encode(PROGRAM)[0], seen.statements, strict=True):
        lookup_WN, reached_J, writes_JN, results_JC, slots_NC = equations(tokens_W, slots_NC)
        answers_VC, homes_V = equations.answers(questions, slots_NC)
        words = [LANGUAGE.vocabulary[token] for token in tokens_W]
        expected = dataclasses.replace(
            statement,
            ticks=sum(reached_J),
            reads=[Read(word, list(key)) for word, key in zip(words, lookup_WN, strict=True) if key.any()],
            tick_steps=[
                Tick(reached, list(reached * writes_N), result_C.argmax(), result_C.max())
                for reached, writes_N, result_C in zip(reached_J, writes_JN, results_JC, strict=True)
            ],
            writes=list(1 - np.prod(1 - np.array(reached_J)[:, None] * writes_JN, axis=0)),
            slots=[Slot(slot_C.argmax(), slot_C.max()) for slot_C in slots_NC],
            decoded=[
                dataclasses.replace(variable, value=answer_C.argmax(), probability=answer_C.max(), slot=home)
                for variable, answer_C, home in zip(statement.decoded, answers_VC, homes_V, strict=True)
            ],
        )
        assert list(leaves(dataclasses.asdict(statement))) == [
            pytest.approx(leaf, abs=1e-4) if isinstance(leaf, float) else leaf for leaf in leaves(dataclasses.asdict(expected))
        ]


def leaves(value):
    """Of nested dictionaries and lists, in order."""
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from leaves(child)
    else:
        yield value


def test_decoded_values_and_ticks_are_those_of_an_evaluation(run, seen):
    """Whole programs, segment after segment: every beginning of the program, asked for every variable."""
    asked = [(length, variable) for length in range(1, 41) for variable in range(5)]
    lengths, queried = np.array(asked).T
    beginnings = dataclasses.replace(parse(SOURCE, LANGUAGE)[0][np.zeros(200, int)], lengths=lengths, queried=queried)
    values, ticks = Answerer(trained.load(run).model, segment=10, batch_size=200)(beginnings)
    assert [v.value for s in seen.statements for v in s.decoded] == values.tolist()
    assert np.allclose([s.ticks for s in seen.statements], ticks[-1], atol=1e-4)


def test_summary_is_that_of_the_traces(run):
    programs = splits.test_programs(run.recipe(), 1)
    writes_VN, ticks = np.zeros((5, 8)), {}
    for i in range(2):
        for t, statement in enumerate(trace(run, "\n".join(programs.lines(i))).statements):
            ticks.setdefault(statement.kind, []).append(statement.ticks)
            if statement.kind != "swap":
                writes_VN[programs.target[i, t]] += statement.writes
    expected = {name: (row.argmax(), row.max() / row.sum()) for name, row in zip(VARIABLES, writes_VN, strict=False)}
    found = summary(run, num_programs=2)
    assert found.num_programs == 2 and found.purity.keys() == expected.keys() == set("abcde")
    assert all(found.purity[name] == pytest.approx(expected[name], abs=1e-4) for name in expected)
    assert found.ticks == pytest.approx({kind: np.mean(of_kind) for kind, of_kind in ticks.items()}, abs=1e-4)


def test_summary_for_people():
    lines = Summary({"a": (3, 0.9951), "b": (12, 0.5)}, {"assign": 1.0, "conditional": 1.234}, num_programs=7).lines()
    assert lines == [
        "of 7 test programs of the shortest length",
        "variable  slot  share of its writes",
        "a            3  99.5%",
        "b           12  50.0%",
        "slot purity, mean over variables: 74.8%",
        "",
        "kind         ticks",
        "assign       1.00",
        "conditional  1.23",
    ]


def test_the_table_shows_targets_and_whatever_is_wrong():
    def statement(line, text, reads, writes, *decoded):
        variables = [Variable(name, value, 0.9, true, slot) for slot, (name, value, true) in enumerate(decoded)]
        return Statement(line, text, "copy", 1.0, reads, [], writes, [], variables)

    by_b = [Read("b", [0.01, 0.97]), Read("b", [0.01, 0.97])]
    statements = [
        statement(1, "b = 7", [], [0.0, 1.0], ("a", 50, None), ("b", 7, 7)),
        statement(4, "a = b", by_b, [0.96, 0.1], ("a", 8, 7), ("b", 7, 7)),
        statement(5, "a = a", [], [1.0, 0.0], ("a", 8, 7), ("b", 7, 7)),
    ]
    assert table(Trace("runs/it", ["a", "b"], 2, statements)).splitlines() == [
        "line  statement  ticks  reads           writes                   decoded (true)",
        "1     b = 7      1.00                   slot 1 1.00              b 7 (7)",
        "4     a = b      1.00   b: slot 1 0.97  slot 0 0.96 slot 1 0.10  a 8 (7) WRONG",
        "5     a = a      1.00                   slot 0 1.00              a 8 (7) WRONG",
        "3 of 5 values are right after the statements",
    ]


def test_a_model_without_slots_has_no_trace(folder):
    rival = RunFolder(folder / "runs" / "rival")
    for look in (lambda: trace(rival, "a = 1"), lambda: summary(rival)):
        with pytest.raises(RunError, match="rival is the run of a gru; only a state_tracker has slots to look into"):
            look()
    with pytest.raises(RunError, match="begun has no checkpoint yet; train it first"):
        trace(RunFolder(folder / "runs" / "begun"), "a = 1")


def test_wrong_text_is_refused_before_any_weights_are_read(folder):
    with pytest.raises(ProgramTextError, match="line 2, 'b = q': unknown variable 'q'"):
        trace(RunFolder(folder / "runs" / "begun"), "a = 1\nb = q")


@pytest.fixture(scope="module")
def printed(folder):
    """What the command prints, in a process of its own."""
    code, out, err = sfm(folder, "trace", "tracker", "program.txt")
    assert code == 0 and "Traceback" not in err, out + err
    return out


def test_the_command_prints_the_table_and_leaves_pictures(folder, seen, printed):
    traces = folder / "runs" / "tracker" / "traces"
    assert sorted(path.name for path in traces.iterdir()) == ["program.html", "program.png"]
    assert (traces / "program.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    *lines, pictures, html = printed.splitlines()
    assert lines == table(seen).splitlines()
    assert pictures == "pictures: runs/tracker/traces/program.png"
    assert html.endswith("open runs/tracker/traces/program.html")


def test_the_real_page_at_every_statement(open_trace_page, folder, seen, printed):
    path = folder / "runs" / "tracker" / "traces" / "program.html"
    shown = open_trace_page(path)
    assert set(shown.true().values()) == set(shown.decoded().values()) == {"—"}
    for position, (statement, true) in enumerate(zip(seen.statements, true_values(), strict=True), start=1):
        shown.press("ArrowDown")
        known = {v.variable: v for v in statement.decoded if v.true is not None}
        assert shown.position == position and shown.current == [str(position)]
        assert shown.true() == {name: "—" if value is None else str(value) for name, value in true.items()}
        assert shown.decoded() == {name: str(known[name].value) if name in known else "—" for name in "abcde"}
        assert shown.wrong() == {name for name, variable in known.items() if variable.value != true[name]}
        assert shown.ticks() == [str(tick.result) for tick in statement.tick_steps]
        assert all(text in (str(slot.value), "") for text, slot in zip(shown.slots(), statement.slots, strict=True))
    assert shown.right[1] == sum(v.true is not None for s in seen.statements for v in s.decoded)
    assert shown.complaints() == []


def test_the_command_prints_a_summary_and_writes_nothing(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    files = sorted(folder.rglob("*"))
    assert main(["trace", "tracker", "--summary"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("of 40 test programs") and "slot purity, mean over variables" in out
    assert sorted(folder.rglob("*")) == files


def refused(folder, capsys, *arguments):
    """The message of a command that must end with code 2, print no trace and write nothing."""
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert main(["trace", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == files
    return err.splitlines()


@pytest.mark.parametrize(
    ("source", "message"),
    {
        "a = 1\nb = q\n": "line 2, 'b = q': unknown variable 'q'; expected one of a, b, c, d, e",
        "a = 300": "line 1, 'a = 300': expected a whole number from 0 to 100 on the right",
        "a = 1\r\n\r\n# c\r\na = = 2\r\n": "line 4, 'a = = 2': invalid syntax",
        "\ufeffa = 1\nb = c": "line 2, 'b = c': variable 'c' has no value yet",
        "": "the program is empty; expected statements such as `a = 7`, `a = a +|-|* b`, `a = b`, `a += b`, "
        "`a, b = b, a`, `if a > b: c = d`",
    }.items(),
)
def test_a_wrong_program_is_refused(folder, tmp_path, monkeypatch, capsys, source, message):
    monkeypatch.chdir(folder)
    program = tmp_path / "wrong.txt"
    program.write_bytes(source.encode())
    expected = [f"{program} is no program that tracker can run:", message]
    assert refused(folder, capsys, "tracker", str(program)) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tracker"], "expected either a PROGRAM.txt or --summary"),
        (["tracker", "program.txt", "--summary"], "expected either a PROGRAM.txt or --summary"),
        (["tracker", "nowhere.txt"], "nowhere.txt cannot be read: .*No such file.*"),
        (["tracker", "runs"], "runs cannot be read: .*Is a directory.*"),
        (["tracker", "runs/tracker/checkpoints/best/model.safetensors"], ".*model.safetensors cannot be read: .*utf-8.*"),
        (["nowhere", "program.txt"], "no run 'nowhere': no recipe.yaml in .*; runs here: begun, rival, tracker"),
        (["nowhere", "--summary"], "no run 'nowhere': .*"),
        (["begun", "--summary"], "runs/begun has no checkpoint yet; train it first"),
        (["rival", "program.txt"], "runs/rival is the run of a gru; only a state_tracker has slots to look into"),
        (["rival", "--summary"], "runs/rival is the run of a gru; only a state_tracker has slots to look into"),
    ],
)
def test_wrong_arguments_are_refused(folder, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(folder)
    (line,) = refused(folder, capsys, *arguments)
    assert re.fullmatch(message, line)
