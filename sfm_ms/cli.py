"""The `sfm` command. Each command imports what it needs, so `sfm --help` is instant."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

DONE, FAILED, WRONG_INPUT = 0, 1, 2
RUNS = Path("runs")
OF_TEXTS = {"tokens": 200, "temperature": 0.8, "seed": 0, "answer": False}  # what `sfm generate` does where nothing is said


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 the run failed or was stopped, 2 the input is wrong."""
    options = _parser().parse_args(arguments)
    from sfm_ms.recipe import RecipeError

    try:
        return options.command(options)
    except RecipeError as error:
        return _wrong(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sfm", description="Train State-Flow Machines on MindSpore.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help)
        added.set_defaults(command=function)
        return added

    def recipe_command(name: str, function, help: str) -> None:
        added = command(name, function, help)
        added.add_argument("recipe", metavar="RECIPE", help="a name that `sfm ls` prints, or a YAML file")
        added.add_argument("overrides", nargs="*", metavar="a.b=c", help="override a field, e.g. optimizer.learning_rate=1e-3")

    command("ls", _ls, "list the recipes that come with sfm_ms")
    recipe_command("show", _show, "print a recipe, every field written out")
    recipe_command("check", _check, "validate a recipe; print parameters, memory and FLOPs; touch no device")
    recipe_command("train", _train, "train a recipe in runs/<name>, going on where that run was left")
    evaluation = command("eval", _eval, "evaluate a run from its checkpoint alone")
    evaluation.add_argument("run", metavar="RUN", help="a folder, or the name of one in runs/")
    other_tests = evaluation.add_mutually_exclusive_group()
    other_tests.add_argument(
        "--multipliers", type=_positive, nargs="+", metavar="N", help="test lengths, e.g. 1 32 128; only printed"
    )
    other_tests.add_argument(
        "--cruxeval", type=Path, metavar="FILE.jsonl", help="what a run of code_execution makes of its problems; only printed"
    )
    generation = command("generate", _generate, "go on with a text, token by token, or tell what a Python program does")
    _add_generation(generation)
    conversion = command("convert", _convert, "checkpoints of Qwen2.5 from and to HuggingFace's names and layout")
    conversion.add_argument("direction", choices=["to-hf", "from-hf"])
    conversion.add_argument(
        "source", metavar="RUN_OR_FOLDER", help="from-hf: a folder of HuggingFace; to-hf: one that from-hf wrote"
    )
    conversion.add_argument("out", metavar="OUT", type=Path, help="a new folder")
    types = ["float32", "float16", "bfloat16"]
    conversion.add_argument("--dtype", choices=types, help="of the numbers; where it is left out they stay what they are")
    conversion.add_argument(
        "--file-size", type=_num_bytes, metavar="SIZE", help="to-hf: at most so much in a file, e.g. 5GB; all where left out"
    )
    trace = command("trace", _trace, "run a program through a trained model and show what its slots do; with pictures")
    trace.add_argument("run", metavar="RUN", help="a folder, or the name of one in runs/")
    trace.add_argument("program", metavar="PROGRAM.txt", nargs="?", type=Path, help="a program of the run's family")
    trace.add_argument("--summary", action="store_true", help="instead of a program: slot purity and ticks over test programs")
    return parser


def _add_generation(generation: argparse.ArgumentParser) -> None:
    generation.add_argument("run", metavar="RUN", help="a folder, or the name of one in runs/")
    source = generation.add_mutually_exclusive_group()
    source.add_argument("--prompt", default="", help="the text to go on with; for a run of code_execution a Python program")
    source.add_argument("--file", type=Path, metavar="FILE", help="a file that holds it")
    description = "code_execution takes none of them: it takes the most likely tokens, up to the judgement or the window's end"
    # Left out of the options where they are not given, so that a run that does not take them can say so.
    texts = generation.add_argument_group("for runs of python_code", description, argument_default=argparse.SUPPRESS)
    texts.add_argument("--tokens", type=_positive, metavar="N", help="at most so many; 200 where left out")
    texts.add_argument("--temperature", type=float, help="0 takes the most likely tokens; 0.8 where left out")
    texts.add_argument("--seed", type=int, help="0 where left out")
    texts.add_argument("--answer", action="store_true", help="only the rest of the line, verified, in up to 3 attempts")


def _ls(_options: argparse.Namespace) -> int:
    from sfm_ms.recipe import find, names

    width = max(map(len, names()))
    for name in names():
        first_line = find(name).read_text(encoding="utf-8").splitlines()[0]
        print(f"{name:<{width}}  {first_line.removeprefix('# ')}")
    return DONE


def _show(options: argparse.Namespace) -> int:
    from sfm_ms.recipe import load, to_yaml

    print(to_yaml(load(options.recipe, options.overrides)), end="")
    return DONE


def _check(options: argparse.Namespace) -> int:
    from sfm_ms.recipe import load

    recipe = load(options.recipe, options.overrides)
    _start()
    from sfm_ms.plan import plan

    found = plan(recipe)
    print(f"{options.recipe} is valid and trains in {RUNS / recipe.name}")
    print("\n".join(found.lines()))
    return _wrong(found.problem()) if found.problem() else DONE


def _train(options: argparse.Namespace) -> int:
    from sfm_ms.recipe import load

    recipe = load(options.recipe, options.overrides)
    _start()
    from sfm_ms.evaluate import evaluate, table
    from sfm_ms.train.checkpoint import CheckpointError
    from sfm_ms.train.run_folder import RunError
    from sfm_ms.train.trainer import Interrupted, train

    try:
        run, ranks = train(recipe, RUNS)
    except (RunError, CheckpointError) as error:
        return _wrong(error)
    except Interrupted as stopped:
        command = " ".join(["sfm train", options.recipe, *options.overrides])
        print(f"{stopped}\ngo on with: {command}", file=sys.stderr)
        return FAILED
    except FloatingPointError as error:
        print(error, file=sys.stderr)
        return FAILED
    if ranks.rank > 0:  # the first process evaluates
        return DONE
    if run.results_file.is_file():
        print(f"{run.path} is trained and evaluated already")
        results = json.loads(run.results_file.read_text(encoding="utf-8"))
    else:
        results = evaluate(run)
    print(table(results, recipe))
    print(f"results, plots and checkpoints: {run.path}")
    return DONE


def _eval(options: argparse.Namespace) -> int:
    if options.cruxeval:
        return _cruxeval(options)
    _start()
    from sfm_ms.evaluate import evaluate, table
    from sfm_ms.train.checkpoint import CheckpointError
    from sfm_ms.train.run_folder import RunError, RunFolder

    try:
        run = RunFolder.existing(RUNS, options.run)
        results = evaluate(run, options.multipliers)
    except (RunError, CheckpointError) as error:
        return _wrong(error)
    print(table(results, run.recipe()))
    return DONE


def _cruxeval(options: argparse.Namespace) -> int:
    from sfm_ms.tasks import cruxeval

    try:
        problems = cruxeval.read(options.cruxeval)
    except ValueError as error:
        return _wrong(error)
    _start()
    from sfm_ms.evaluate import own_programs
    from sfm_ms.train.checkpoint import CheckpointError
    from sfm_ms.train.run_folder import RunError, RunFolder

    try:
        print(own_programs.solve(RunFolder.existing(RUNS, options.run), problems))
    except (RunError, CheckpointError) as error:
        return _wrong(error)
    return DONE


def _generate(options: argparse.Namespace) -> int:
    try:
        prompt = options.file.read_text(encoding="utf-8-sig") if options.file else options.prompt
    except (OSError, UnicodeDecodeError) as error:
        return _wrong(f"{options.file} cannot be read: {error}")
    _start()
    from sfm_ms.train.checkpoint import CheckpointError
    from sfm_ms.train.run_folder import RunError, RunFolder

    of_kind = {"python_code": _go_on, "code_execution": _tell}
    try:
        run = RunFolder.existing(RUNS, options.run)
        kind = run.recipe().task.kind
        if kind not in of_kind:
            return _wrong(f"{run.path}: expected a run of the task {' or '.join(of_kind)}, got one of {kind}")
        return of_kind[kind](run, prompt, options)
    except (RunError, CheckpointError) as error:
        return _wrong(error)


def _go_on(run, prompt: str, options: argparse.Namespace) -> int:
    """With a text, by a run of python_code."""
    from sfm_ms.data.tokenizer import TextTokenizer
    from sfm_ms.generate import Generator
    from sfm_ms.train import trained

    options = argparse.Namespace(**{**OF_TEXTS, **vars(options)})
    model, recipe = trained.load(run).model, run.recipe()
    if not model.carries_state:
        return _wrong(f"{run.path}: expected a model that carries its state, got a {recipe.model.kind}")
    generator = Generator(model, TextTokenizer.load(run.tokenizer_file), recipe.task)
    if options.answer:
        answer = generator.answer(prompt)
        outcome = "accepted" if answer.is_accepted else "all rejected, this one trusted most"
        print(f"{answer.text}\ntrust {answer.trust:.1%}, attempts {answer.attempts}: {outcome}")
        return DONE
    print(prompt, end="")
    for text in generator.write(prompt, options.tokens, options.temperature, options.seed):
        print(text, end="", flush=True)
    print()
    return DONE


def _tell(run, program: str, options: argparse.Namespace) -> int:
    """What a program does, by a run of code_execution."""
    from sfm_ms.evaluate import own_programs

    given = ", ".join(f"--{name}" for name in OF_TEXTS if name in options)
    if given:
        return _wrong(f"{given}: only runs of python_code take this, and {run.path} is one of code_execution")
    if not program.strip():
        return _wrong(f"--prompt or --file: expected a Python program for {run.path}, got nothing")
    print(own_programs.tell(run, program))
    return DONE


def _convert(options: argparse.Namespace) -> int:
    if options.direction == "from-hf" and options.file_size is not None:
        return _wrong("--file-size: only to-hf writes several files")
    _start()
    from sfm_ms import convert

    source = Path(options.source)
    for run in (source, RUNS / options.source):
        if (run / "recipe.yaml").is_file():
            return _wrong(f"{run}: expected a folder that `sfm convert from-hf` wrote, got a run, whose model is no Qwen2.5")
    try:
        if options.direction == "to-hf":
            convert.to_hf(source, options.out, options.dtype, options.file_size)
        else:
            convert.from_hf(source, options.out, options.dtype)
    except ValueError as error:
        return _wrong(error)
    print(f"written: {options.out}")
    return DONE


def _trace(options: argparse.Namespace) -> int:
    if (options.program is None) is not options.summary:
        return _wrong("expected either a PROGRAM.txt or --summary")
    try:
        source = "" if options.summary else options.program.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return _wrong(f"{options.program} cannot be read: {error}")
    _start()
    from sfm_ms import plots
    from sfm_ms.tasks.program_text import ProgramTextError
    from sfm_ms.trace import summary, table, trace
    from sfm_ms.trace_page import page
    from sfm_ms.train.checkpoint import CheckpointError
    from sfm_ms.train.run_folder import RunError, RunFolder

    try:
        run = RunFolder.existing(RUNS, options.run)
        if run.recipe().task.kind != "state_tracking":
            return _wrong(f"{run.path}: expected a run of the task state_tracking, got one of {run.recipe().task.kind}")
        if options.summary:
            print("\n".join(summary(run).lines()))
            return DONE
        seen = trace(run, source)
    except ProgramTextError as error:
        return _wrong(f"{options.program} is no program that {options.run} can run:\n{error}")
    except (RunError, CheckpointError) as error:
        return _wrong(error)
    print(table(seen))
    picture, html = (run.path / "traces" / f"{options.program.stem}{suffix}" for suffix in (".png", ".html"))
    shown = seen.to_dict()
    plots.trace(shown, picture)
    html.write_text(page(shown), encoding="utf-8")
    print(f"pictures: {picture}\nto step through it with the arrow keys, open {html}")
    return DONE


def _start() -> None:
    from sfm_ms.train import runtime

    runtime.start()


def _wrong(error: Exception | str) -> int:
    print(error, file=sys.stderr)
    return WRONG_INPUT


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, got {text!r}")
    return int(text)


def _num_bytes(text: str) -> int:
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9}  # as HuggingFace counts
    number, unit = text[:-2], text[-2:].upper()
    if not number.isdigit() or int(number) == 0 or unit not in units:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1 and {', '.join(units)}, e.g. 5GB, got {text!r}")
    return int(number) * units[unit]
