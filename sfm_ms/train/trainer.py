"""The one training loop: batches in, steps, metrics, validation, checkpoints; resumes bit for bit where a run was left."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sfm_ms.models import num_parameters
from sfm_ms.recipe import Recipe, RecipeError
from sfm_ms.train import checkpoint, mindformers_package, parallel
from sfm_ms.train.building import model_of
from sfm_ms.train.choices import schedule_of
from sfm_ms.train.metrics import Interval
from sfm_ms.train.parallel import Ranks
from sfm_ms.train.program_training import ProgramTraining
from sfm_ms.train.run_folder import RunFolder
from sfm_ms.train.text_training import TextTraining
from sfm_ms.train.thinker_training import ThinkerTraining

TRAININGS = {"state_tracking": ProgramTraining, "python_code": TextTraining, "code_execution": ThinkerTraining}  # by kind of task


class Interrupted(Exception):
    """Training was asked to stop and has saved its state; the message says at which step."""


def train(recipe: Recipe, runs: Path) -> tuple[RunFolder, Ranks]:
    """Train the recipe in runs/<name>, going on from the newest whole checkpoint there; the run, and who trained it.

    Of the processes that msrun started all read that folder, and the first one writes it. Raises RecipeError, RunError (another
    recipe's folder), CheckpointError (no whole checkpoint) or Interrupted (Ctrl-C, SIGTERM).
    """
    ranks = Ranks()
    if ranks.world > 1 and recipe.task.kind != "code_execution":
        raise RecipeError(f"task.kind: {ranks.world} processes expect code_execution, got {recipe.task.kind}")
    mindformers_package.refuse_absent(recipe.optimizer)
    run = ranks.in_turn(lambda: RunFolder.for_training(runs, recipe))
    loop = _Loop(recipe, run, ranks)
    loop.resume()
    if loop.step < recipe.training.steps:
        span = f"from step {loop.step} to {recipe.training.steps}"
        loop.report(f"{run.path}: {num_parameters(loop.model):,} parameters, {span}; the first step compiles the graph")
        with _StopSignals() as stop:
            loop.run_until_done(stop)
    return run, ranks


class _Loop:
    """What a step changes (model, optimizer, interval, best score, step) and what it needs."""

    def __init__(self, recipe: Recipe, run: RunFolder, ranks: Ranks):
        self.recipe, self.folder, self.ranks, self.is_writer = recipe, run, ranks, ranks.rank == 0
        self.model = model_of(recipe, run.path.parent)
        self.rate_of = schedule_of(recipe.optimizer, recipe.training.steps)
        self.parameters = {parameter.name: parameter for parameter in self.model.trainable_params()}
        self.task = TRAININGS[recipe.task.kind](recipe, self.model, run, ranks)
        self.step, self.interval, self.best = 0, Interval(self.task.figures), None
        self.seconds_before, self.began = 0.0, time.perf_counter()

    def resume(self) -> None:
        """Take up the state of the newest whole checkpoint, if there is one."""
        found = checkpoint.load_newest(self.folder.checkpoints)
        if found is None:
            self.cut_metrics()
            return
        saved, warnings = found
        for warning in warnings:
            self.report(f"passed over a damaged checkpoint: {warning}")
        checkpoint.restore(self.parameters, saved.model)
        self.task.restore(saved.state["task"], saved.optimizer)
        self.step, self.best, self.seconds_before = (saved.state[name] for name in ("step", "best", "seconds"))
        if self.is_writer and self.best is not None and self.best["step"] == self.step:  # a kill may have come before the link
            checkpoint.point(self.folder.checkpoints, "best", self.step)
        self.interval = Interval(self.task.figures, saved.state["interval"])
        self.cut_metrics()

    def run_until_done(self, stop: _StopSignals) -> None:
        training = self.recipe.training
        self.interval_began, self.interval_first_step = time.perf_counter(), self.step
        parallel.broadcast(list(self.parameters.values()), self.ranks)
        is_hidden = not (self.is_writer and sys.stderr.isatty())
        with tqdm(total=training.steps, initial=self.step, unit="step", disable=is_hidden) as self.bar:
            while self.step < training.steps and not self.ranks.total([stop.requested])[0]:
                self.run_step()
        if self.step < training.steps:
            if checkpoint.linked_step(self.folder.checkpoints, "last") != self.step:
                self.save(is_new_best=False)
            raise Interrupted(f"stopped at step {self.step} of {training.steps}, saved in {self.folder.path}")

    def run_step(self) -> None:
        """One step and whatever is due after it: metrics, validation, a checkpoint."""
        training = self.recipe.training
        rate = self.rate_of(self.step)
        figures = self.task.take_step(self.step, rate)
        self.interval.add(**figures)
        self.step += 1
        self.bar.update()
        if not np.isfinite(figures["loss"]):
            raise FloatingPointError(f"the loss is {figures['loss']} at step {self.step}; the last checkpoint is from before")
        is_last = self.step == training.steps
        is_new_best = False
        if self.step % training.log_every == 0 or is_last:
            is_new_best = self.end_interval(rate, validate=self.step % training.validate_every == 0 or is_last)
        if self.step % training.checkpoint_every == 0 or is_new_best or is_last:
            self.save(is_new_best)

    def end_interval(self, rate: float, validate: bool) -> bool:
        """Write the interval's means; True where validation is at its best so far."""
        row = {"step": self.step, "learning_rate": rate, **self.interval.means(), **dict.fromkeys(self.task.validated, "")}
        num_rows = (self.step - self.interval_first_step) * self.recipe.training.batch_size * self.ranks.world
        speed = num_rows / (time.perf_counter() - self.interval_began)
        is_new_best = False
        if validate:
            score, figures = self.task.validate()
            is_new_best = self.best is None or score >= self.best["score"]
            if is_new_best:
                self.best = {"step": self.step, "score": score}
            row.update(figures)
        line = f"step {self.step:>6}  {self.task.line(row)}  {speed:.0f} {self.task.rows}/s"
        if self.is_writer:
            self.folder.append_metrics(row)
        self.report(line, is_printed=self.bar.disable)
        self.bar.set_postfix_str(line.split(maxsplit=2)[2])
        self.interval = Interval(self.task.figures)
        self.interval_began, self.interval_first_step = time.perf_counter(), self.step
        return is_new_best

    def save(self, is_new_best: bool) -> None:
        seconds = self.seconds_before + time.perf_counter() - self.began
        state = {"step": self.step, "interval": self.interval.state(), "best": self.best, "seconds": seconds}
        optimizer = self.task.update.arrays()  # on all ranks
        if not self.is_writer:
            return
        state["task"] = self.task.state()
        whole = checkpoint.Checkpoint(checkpoint.arrays(self.parameters), optimizer, state)
        checkpoint.save(self.folder.checkpoints, self.step, whole, self.recipe.training.keep_checkpoints)
        if is_new_best:
            checkpoint.point(self.folder.checkpoints, "best", self.step)

    def cut_metrics(self) -> None:
        if self.is_writer:
            self.folder.cut_metrics(self.step)

    def report(self, line: str, is_printed: bool = True) -> None:
        """To the log file and the screen."""
        if self.is_writer:
            self.folder.log(line)
            if is_printed:
                print(line, flush=True)


class _StopSignals:
    """Turns the first Ctrl-C or SIGTERM into a request to stop after the step; a second one acts as it always does."""

    def __init__(self):
        self.requested = False

    def __enter__(self) -> _StopSignals:
        self.before = {number: signal.signal(number, self._request) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _request(self, number: int, _frame: object) -> None:
        self.requested = True
        signal.signal(number, self.before[number])  # MindSpore turns a Ctrl-C into a SIGTERM, so the number says little

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
