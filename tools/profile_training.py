"""Says where the time of a training step goes: the parts of a step, then the operators inside them.

python tools/profile_training.py state_tracking/quick
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from sfm_ms.recipe import load
from sfm_ms.train import runtime

runtime.start()

import mindspore

from sfm_ms.data.batches import TrainingBatches
from sfm_ms.data.input_shape import input_shape
from sfm_ms.models import build
from sfm_ms.train.step import TrainingStep


def timed(part: dict[str, list[float]], name: str, function, wait_for=lambda result: None):
    """The function, its time of every call added to `part[name]`, until the tensor `wait_for` picks is there."""

    def call(*arguments):
        began = time.perf_counter()
        result = function(*arguments)
        wait_for(result)
        part.setdefault(name, []).append(time.perf_counter() - began)
        return result

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="a.b=c")
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()

    recipe = load(options.recipe, options.overrides)
    batches = TrainingBatches(recipe)
    step = TrainingStep(build(recipe, input_shape(recipe)), recipe)
    began = time.perf_counter()
    step(batches[0], 1e-3)
    print(f"first step, with compilation: {time.perf_counter() - began:.1f} s")

    whole = []
    for number in range(1, 1 + options.steps):
        began = time.perf_counter()
        step(batches[number], 1e-3)
        whole.append(time.perf_counter() - began)
    median, low, high = (1e3 * np.quantile(whole, q) for q in (0.5, 0.1, 0.9))
    speed = recipe.training.batch_size / median * 1e3
    print(f"step: median {median:.1f} ms, 10%..90% {low:.1f}..{high:.1f} ms, {speed:.0f} programs/s")

    parts: dict[str, list[float]] = {}
    take_batch = timed(parts, "batch (NumPy)", batches.__getitem__)
    step.gradient = timed(parts, "forward and backward", step.gradient, lambda result: result[0][0].asnumpy())
    step.update = timed(parts, "clipping and AdamW", step.update, lambda norm: norm.asnumpy())
    for number in range(options.steps):
        step(take_batch(number), 1e-3)
    for name, times in parts.items():
        print(f"  {name:<22}{1e3 * np.median(times):7.2f} ms")
    print(operators(step, batches, num_steps=10).to_string(float_format="%.2f"))


def operators(step: TrainingStep, batches: TrainingBatches, num_steps: int) -> pd.DataFrame:
    """Calls and milliseconds a step by kind of operator, the costliest first, as MindSpore's profiler measured them."""
    with tempfile.TemporaryDirectory() as folder:
        profiler = mindspore.Profiler(output_path=folder)
        for number in range(num_steps):
            step(batches[number], 1e-3)
        profiler.analyse()
        table = pd.read_csv(next(Path(folder).rglob("cpu_op_type_info_*.csv")), index_col="op_type")
    per_step = pd.DataFrame({"calls": table["type_occurrences"], "ms": table["total_compute_time"]}) / num_steps
    per_step["share, %"] = 100 * per_step["ms"] / per_step["ms"].sum()
    return per_step.sort_values("ms", ascending=False).head(12)


if __name__ == "__main__":
    main()
