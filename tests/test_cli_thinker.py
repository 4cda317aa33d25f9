"""The commands on a Thinker: a run and its results, CRUXEval, what it tells of a program, what is refused.

In this process, so that MindSpore is imported once.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from sfm_ms import cli
from sfm_ms.data.thinker_batches import held_out
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.evaluate import own_programs, thinker
from sfm_ms.generate import Generator
from sfm_ms.recipe import load, to_yaml
from sfm_ms.train import trained
from sfm_ms.train.run_folder import RunFolder

OVERRIDES = [
    "task.window_tokens=192", "task.vocabulary=512", "task.test_samples=3", "model.num_layers=1", "model.sfm_layers=[0]",
    "training.steps=2", "training.validate_every=2", "training.checkpoint_every=2", "training.batch_size=2",
    "optimizer.warmup_steps=1", "evaluation.batch_size=1",
]  # fmt: skip
RUN = "debug-thinker"
PROGRAM = "a = 2\nb = a + 1\nprint(b)\n"
PROBLEMS = [
    {"id": "0", "code": "def f(a):\n    return a + 1", "input": "1", "output": "2"},
    {"id": "1", "code": "def f(a):\n    return a", "input": "''", "output": "''"},  # which no answer is not
    {"id": "2", "code": "def f(a):\n    return a", "input": repr([*range(200)]), "output": repr([*range(200)])},
]


def sfm(folder, *arguments):
    """Exit code, output, errors."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(arguments)
    return code, out.getvalue(), err.getvalue()


def refused(folder, *arguments):
    code, _, err = sfm(folder, *arguments)
    assert code == cli.WRONG_INPUT
    return err


@pytest.fixture(scope="module")
def readers():
    """What has been loaded, by the run's path: graphs compile for seconds, so commands share a reader until this is cleared."""
    made, reader_of = {}, thinker.reader_of

    def kept(run, batch_size=None):
        path = run.path.resolve()
        if path not in made:
            made[path] = reader_of(run, batch_size)
        return made[path]

    with pytest.MonkeyPatch.context() as patch:
        for module in (thinker, own_programs):
            patch.setattr(module, "reader_of", kept)
        yield made


@pytest.fixture(scope="module")
def finished(readers, tmp_path_factory):
    """A folder with a finished run, and what was printed."""
    folder = tmp_path_factory.mktemp("finished")
    code, out, err = sfm(folder, "train", "debug/thinker", *OVERRIDES)
    assert code == cli.DONE, out + err
    return folder, out


def test_a_run_has_results(finished):
    folder, out = finished
    run = RunFolder(folder / "runs" / RUN)
    results = json.loads(run.results_file.read_text())
    assert (results["step"], results["seeds"], results["fixes"]) == (2, [0], {})
    whole = sum(parameter.size for parameter in thinker.trained.load(run).model.get_parameters())
    assert results["num_parameters"] == whole
    for name in ("exact_match", "slot_accuracy", "trace_accuracy", "majority_class"):
        assert results[name].keys() == {"1"} and 0 <= results[name]["1"] <= 1
    assert results["judge_auc"].keys() <= {"1"} and results["majority_class"]["1"] >= 1 / 3
    assert thinker.table(results, run.recipe()) in out


def test_eval_gives_the_same_figures_from_the_checkpoint_alone(finished, readers):
    folder, out = finished
    readers.clear()
    code, again, _ = sfm(folder, "eval", RUN)
    assert code == cli.DONE and again in out


def test_cruxeval_is_only_printed(finished):
    folder, _ = finished
    run = RunFolder(folder / "runs" / RUN)
    before = run.results_file.read_bytes()
    (folder / "crux.jsonl").write_text("\n".join(map(json.dumps, PROBLEMS)))
    code, out, _ = sfm(folder, "eval", RUN, "--cruxeval", "crux.jsonl")
    line = "CRUXEval: 0.0% answered rightly, 0 of 3 problems; 1 do not fit the window of 192 tokens and count as wrong\n"
    assert (code, out) == (cli.DONE, line) and run.results_file.read_bytes() == before


def test_generate_tells_of_a_program_and_judges_it(finished):
    folder, _ = finished
    (folder / "prog.py").write_text(PROGRAM)
    code, out, _ = sfm(folder, "generate", RUN, "--file", "prog.py")
    *told, judge = out.splitlines()
    assert code == cli.DONE and told and re.match(r"judge: \d+\.\d% that this is right", judge)
    assert PROGRAM not in out


def test_own_programs_are_judged_as_samples_are(finished):
    run = RunFolder(finished[0] / "runs" / RUN)
    reader, _ = thinker.reader_of(run, batch_size=1)
    (sample,) = held_out(run.recipe(), reader.tokenizer, "test", "code_execution", 1, 1)
    verdict = reader.verdicts([sample])[0]
    assert own_programs.trust(reader, sample.tokens[:-1], sample.num_given) == pytest.approx(1 / (1 + np.exp(-verdict)), rel=1e-5)


def test_multipliers_are_of_other_tasks(finished):
    err = refused(finished[0], "eval", RUN, "--multipliers", "1", "2")
    assert "--multipliers: expected none" in err and err.endswith("got 1 2\n")


def test_a_bad_file_of_cruxeval_is_refused(finished):
    folder = finished[0]
    assert "nowhere.jsonl" in refused(folder, "eval", RUN, "--cruxeval", "nowhere.jsonl")
    (folder / "bad.jsonl").write_text(json.dumps({**PROBLEMS[0], "output": "2 +"}))
    wanted = "bad.jsonl, line 1: output: expected a Python literal, got '2 +'"
    assert wanted in refused(folder, "eval", RUN, "--cruxeval", "bad.jsonl")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tokens", "5", "--seed", "0"], "--tokens, --seed: only runs of python_code take this"),
        (["--answer"], "--answer: only runs of python_code take this"),
        ([], "--prompt or --file: expected a Python program"),
        (["--prompt", "print('<|answer|>')"], "expected no special token such as <|code|> in it"),
        (["--prompt", "x = 1\n" * 200], "expected less than 192 tokens"),
    ],
)
def test_generate_refuses(finished, arguments, message):
    assert message in refused(finished[0], "generate", RUN, *arguments)


def test_a_run_of_another_task_is_refused(finished):
    folder, _ = finished
    for kind in ("state_tracking", "python_code"):
        run = RunFolder(folder / "runs" / kind)
        run.path.mkdir()
        run.recipe_file.write_text(to_yaml(load(f"debug/{kind}")))
    (folder / "crux.jsonl").write_text(json.dumps(PROBLEMS[0]))
    wanted = "expected a run of the task code_execution, got one of python_code"
    assert wanted in refused(folder, "eval", "python_code", "--cruxeval", "crux.jsonl")
    wanted = "expected a run of the task python_code or code_execution, got one of state_tracking"
    assert wanted in refused(folder, "generate", "state_tracking")
    assert "has no checkpoint yet" in refused(folder, "generate", "python_code", "--tokens", "5")


@pytest.mark.parametrize(("given", "wanted"), [([], (200, 0.8, 0)), (["--tokens", "5", "--temperature", "0"], (5, 0.0, 0))])
def test_generate_goes_on_with_texts_as_before(tmp_path, monkeypatch, given, wanted):
    run = RunFolder(tmp_path / "runs" / "texts")
    run.path.mkdir(parents=True)
    run.recipe_file.write_text(to_yaml(load("debug/python_code")))
    model = SimpleNamespace(carries_state=True)
    monkeypatch.setattr(trained, "load", lambda run: trained.Trained(model, 1, True))
    monkeypatch.setattr(TextTokenizer, "load", lambda file: None)
    monkeypatch.setattr(Generator, "__init__", lambda *_: None)
    monkeypatch.setattr(Generator, "write", lambda self, prompt, *options: [f" after {prompt}: {options}"])
    assert sfm(tmp_path, "generate", "texts", "--prompt", "x", *given)[:2] == (cli.DONE, f"x after x: {wanted}\n")


def test_a_run_without_its_tokenizer_is_refused(finished, tmp_path):
    shutil.copytree(finished[0] / "runs", tmp_path / "runs", symlinks=True)
    tokenizer = tmp_path / "runs" / RUN / "tokenizer.json"
    tokenizer.unlink()
    assert "tokenizer: there is no file" in refused(tmp_path, "generate", RUN, "--prompt", PROGRAM)
