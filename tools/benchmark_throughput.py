"""Times implementations of an operator side by side, or training steps of a recipe, beside the machine's own matrix product.

python tools/benchmark_throughput.py --time 2048 --width 64
python tools/benchmark_throughput.py --operator signed_scan --width 256 --impl cpu chunked
python tools/benchmark_throughput.py --compare throughput.csv
python tools/benchmark_throughput.py --recipe state_tracking/quick

Jobs take turns, in another order each round, so that other load on the machine meets all alike. Medians are reported, and
the spread from the first to the third quartile. FLOPs are the mathematics', not an implementation's: of chunks of 64 tokens, a
gradient 2.5 times its forward pass. Under msrun every process measures and the first one reports.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sfm_ms import plots
from sfm_ms.recipe import load
from sfm_ms.train import runtime

runtime.start()

import mindspore as ms
from mindspore import Tensor, nn, ops

from sfm_ms.data.batches import TrainingBatches
from sfm_ms.data.input_shape import input_shape
from sfm_ms.models import build
from sfm_ms.ops.gated_delta_rule import GatedDeltaRule
from sfm_ms.ops.signed_scan import SignedScan
from sfm_ms.train.step import TrainingStep

GEMM_SIZE = 1024
BACKWARD = 2.5  # of the forward pass's FLOPs
CHUNK = 64
SIZES = ["batch", "time", "heads", "width"]


class Job(NamedTuple):
    """Something to time: `call` returns when its result is there. `num_bytes` is that of all arguments and results."""

    name: str
    call: Callable[[], None]
    flops: float
    num_bytes: int
    size: dict[str, int]

    @property
    def tokens(self) -> int:
        return self.size.get("batch", 0) * self.size.get("time", 0)


def main() -> None:
    options = arguments()
    jobs = [recipe_job(options.recipe)] if options.recipe else operator_jobs(options)
    results = measured([matrix_product(), *jobs], options.rounds)
    if int(os.environ.get("RANK_ID", "0")) > 0:
        return
    print(results.to_string(index=False, float_format="%.3g", na_rep=""))
    if options.compare:
        print(f"\nspeed relative to {options.compare}\n{compared(results, pd.read_csv(options.compare))}")
    results.to_csv(options.out.with_suffix(".csv"), index=False, lineterminator="\n", float_format="%.6g")
    plot(results, options.out.with_suffix(".png"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operator", choices=("gated_delta_rule", "signed_scan"), default="gated_delta_rule")
    parser.add_argument("--impl", nargs="+", default=["cpu", "chunked"], help="also: unrolled, the recurrence step after step")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--time", type=int, nargs="+", default=[2048])
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--width", type=int, nargs="+", default=[64], help="of keys and of values; of signed_scan: channels")
    parser.add_argument("--chunk-size", type=int, default=CHUNK)
    parser.add_argument("--recipe", help="time training steps of this recipe instead")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("throughput"), help="of the .csv and the .png")
    parser.add_argument("--compare", type=Path, help="a CSV of an earlier run")
    return parser.parse_args()


# What can be timed


def matrix_product() -> Job:
    """The machine's limit, as MindSpore reaches it."""
    x = Tensor(np.random.default_rng(0).random((GEMM_SIZE, GEMM_SIZE), np.float32))
    product = Call(ops.MatMul())
    return Job(f"matrix product of {GEMM_SIZE}", lambda: wait(product(x, x)), 2 * GEMM_SIZE**3, 3 * x.nbytes, {})


class Call(nn.Cell):
    """An operator as a graph of its own."""

    def __init__(self, operator):
        super().__init__()
        self.operator = operator

    def construct(self, *arguments):
        return self.operator(*arguments)


class Sum(Call):
    """The cheapest loss that sends gradients back through all that an operator returns."""

    def construct(self, *arguments):
        out, final_state = self.operator(*arguments)
        return out.sum() + final_state.sum()


def wait(result) -> None:
    """Until a result, or the last of several, is there."""
    while isinstance(result, tuple):
        result = result[-1]
    result.asnumpy()


def operator_jobs(options: argparse.Namespace) -> list[Job]:
    make = {"gated_delta_rule": gated_delta_rule_jobs, "signed_scan": signed_scan_jobs}[options.operator]
    return [job for width in options.width for steps in options.time for job in make(options, steps, width)]


def gated_delta_rule_jobs(options: argparse.Namespace, steps: int, width: int) -> list[Job]:
    rng = np.random.default_rng(0)
    shape = (options.batch, steps, options.heads, width)
    q, k, v = rng.standard_normal((3, *shape), np.float32)
    k /= np.linalg.norm(k, axis=-1, keepdims=True)
    beta, decay = rng.uniform(0, 2, shape[:3]), -rng.uniform(0, 0.1, shape[:3])
    sign, state = rng.choice([-1.0, 1.0], shape[:3]), np.zeros((options.batch, options.heads, width, width))
    arrays = [array.astype(np.float32) for array in (q, k, v, beta, decay, sign, state)]
    flops = options.batch * options.heads * steps * delta_rule_flops(width)
    size = {"batch": options.batch, "time": steps, "heads": options.heads, "width": width}
    operators = {impl: delta_rule_operator(impl, options.chunk_size) for impl in options.impl}
    return [job for impl, operator in operators.items() for job in both_directions(impl, operator, arrays, flops, size)]


def delta_rule_operator(impl: str, chunk_size: int) -> nn.Cell:
    return Unrolled() if impl == "unrolled" else GatedDeltaRule(impl=impl, chunk_size=chunk_size)


class Unrolled(nn.Cell):
    """The recurrence as a loop that the graph holds step after step, differentiated by MindSpore: what the others replace."""

    def construct(self, q, k, v, beta, log_decay, sign, state):
        decay, outs = (sign * ops.exp(log_decay)).expand_dims(-1).expand_dims(-1), ()
        steps = (ops.unbind(x, 1) for x in (q, k, v, beta.expand_dims(-1), decay))
        for q_t, k_t, v_t, beta_t, decay_t in zip(*steps):  # noqa: B905 (graph mode knows no strict=)
            state = decay_t * state
            error = v_t - ops.bmm(k_t.expand_dims(2), state).squeeze(2)
            state = state + ops.bmm((beta_t * k_t).expand_dims(3), error.expand_dims(2))
            outs = (*outs, ops.bmm(q_t.expand_dims(2), state).squeeze(2))
        return ops.stack(outs, 1) * q.shape[3] ** -0.5, state


def delta_rule_flops(width: int) -> float:
    """For a token of one head, forward: products of C x C and C x D matrices and of C x D and D x D, and the inverse."""
    return 10 * CHUNK * width + 0.67 * CHUNK**2 + 6 * width**2


def signed_scan_jobs(options: argparse.Namespace, steps: int, width: int) -> list[Job]:
    rng = np.random.default_rng(0)
    shape = (options.batch, steps, width)
    x, decay = rng.standard_normal(shape, np.float32), -rng.exponential(size=shape).astype(np.float32)
    arrays = [x, decay, rng.choice([-1.0, 1.0], shape).astype(np.float32), x[:, 0]]
    size = {"batch": options.batch, "time": steps, "heads": 1, "width": width}
    operators = {impl: SignedScan(impl=impl) for impl in options.impl}
    return [job for impl, operator in operators.items() for job in both_directions(impl, operator, arrays, 2 * x.size, size)]


def both_directions(impl: str, operator: nn.Cell, arrays: list[np.ndarray], flops: float, size: dict) -> list[Job]:
    tensors = [Tensor(array) for array in arrays]
    forward = Call(operator)
    gradient = ms.value_and_grad(Sum(operator), tuple(range(len(tensors))))  # without the value, MindSpore runs no forward pass
    num_bytes = sum(array.nbytes for array in arrays)
    return [
        Job(f"{impl} forward", lambda: wait(forward(*tensors)), flops, num_bytes, size),
        Job(f"{impl} forward+backward", lambda: wait(gradient(*tensors)), (1 + BACKWARD) * flops, 3 * num_bytes, size),
    ]


def recipe_job(name: str) -> Job:
    """Training steps with their batches. Tokens are statements; share is what is called model FLOPs utilisation."""
    recipe = load(name)
    model, batches = build(recipe, input_shape(recipe)), TrainingBatches(recipe)
    step, batch, next_batch = TrainingStep(model, recipe), batches[0], itertools.count()
    num_programs, num_statements = batch.statements_BTW.shape[:2]
    flops = 3 * num_programs * model.flops(num_statements)
    num_bytes = 4 * 4 * sum(parameter.size for parameter in model.trainable_params())  # weight, gradient and two moments
    size = {"batch": num_programs, "time": num_statements, "heads": 1}
    return Job(f"step of {name}", lambda: step(batches[next(next_batch)], 0.0), flops, num_bytes, size)


# Measuring


def measured(jobs: list[Job], rounds: int) -> pd.DataFrame:
    """A row for each job. `share` is of the speed of the matrix product, which is the first job."""
    first, peaks = zip(*(first_call(job) for job in jobs), strict=True)
    order, seconds = np.random.default_rng(0), [[] for _ in jobs]
    for _ in range(rounds):
        for index in order.permutation(len(jobs)):
            began = time.perf_counter()
            jobs[index].call()
            seconds[index].append(time.perf_counter() - began)
    low, median, high = np.quantile(seconds, (0.25, 0.5, 0.75), axis=1)
    results = pd.DataFrame([{"job": job.name, **job.size} for job in jobs], columns=["job", *SIZES])
    results["ms"], results["low"], results["high"] = 1e3 * median, 1e3 * low, 1e3 * high
    results["tokens/s"] = [job.tokens for job in jobs] / median
    results["GFLOP/s"] = [1e-9 * job.flops for job in jobs] / median
    results["share"] = results["GFLOP/s"] / results["GFLOP/s"][0]
    results["GB/s"] = [1e-9 * job.num_bytes for job in jobs] / median
    results["peak MiB"], results["first s"] = peaks, first
    return results


def first_call(job: Job) -> tuple[float, float]:
    """Seconds of a first call, which compiles, and MiB by which it raises the peak of the memory in use."""
    is_cpu = ms.get_context("device_target") == "CPU"
    if is_cpu:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak; Linux
    else:
        ms.runtime.reset_peak_memory_stats()
    before = resident("VmRSS") if is_cpu else ms.runtime.memory_allocated() / 2**20
    began = time.perf_counter()
    job.call()
    seconds = time.perf_counter() - began
    peak = resident("VmHWM") if is_cpu else ms.runtime.max_memory_allocated() / 2**20
    return seconds, peak - before


def resident(field: str) -> float:
    """MiB of this process's memory."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


# Showing


def compared(results: pd.DataFrame, earlier: pd.DataFrame) -> str:
    """How many times as fast each job is as in an earlier run, as it stands and by its share of the matrix product."""
    both = results.merge(earlier, on=["job", *SIZES], suffixes=("", "_earlier"))
    if both.empty:
        return "no job of the same name and size"
    both["speed"], both["by share"] = both["ms_earlier"] / both["ms"], both["share"] / both["share_earlier"]
    return both[["job", *SIZES, "speed", "by share"]].to_string(index=False, float_format="%.3g", na_rep="")


def plot(results: pd.DataFrame, path: Path) -> None:
    """Share of the matrix product's speed, a bar for each job."""
    jobs = results.iloc[1:]
    names = [f"{job.job}, {job.time:.0f} x {job.width:.0f}" if job.width == job.width else job.job for job in jobs.itertuples()]
    figure, axes = plt.subplots(figsize=(8, 1 + 0.35 * len(jobs)), layout="constrained")
    axes.barh(names, 100 * jobs["share"])
    axes.invert_yaxis()
    axes.set(xlabel=f"% of the speed of the {results['job'][0]} ({results['GFLOP/s'][0]:.0f} GFLOP/s)")
    axes.grid(axis="x", alpha=0.3)
    plots.save(figure, path)


if __name__ == "__main__":
    main()
