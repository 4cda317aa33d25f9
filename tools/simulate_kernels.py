"""Shows what the Ascend C kernels do with their cycles on the simulator. A MODEL: nothing here has run on Ascend hardware.

python tools/simulate_kernels.py --chip 910A
python tools/simulate_kernels.py --chip 910A --kernel forward --width 64 --chunk-size 16 64 --time 65536
python tools/simulate_kernels.py --chip 910A --kernel forward backward --readme ops/gated_delta_rule/ascendc/README.md

A core works through its tasks one after the other: sequences (heads of batch rows) of the gated delta rule, 256 channels of a
batch row of the signed scan. One task is simulated, on one core; that several in one launch share its start makes them up to
0.2 % faster than this. Of a task longer than 2048 tokens the first 2048 to 3071 are simulated, once more without 1024 of them,
and cycles = fixed + tokens * cycles a token: at T = 8192 and width 16 less than 0.001 % off a full run. The forward kernel
writes what the gradient needs.

The roofline is the mathematics', not an implementation's: all that the operator takes and returns through global memory once, in
fp16, and on the Cube the products of the chunk form, without the inverse. `busiest` is the implementation's: the pipe that works
longest, which no schedule of its work is shorter than. Cores do not compete for global memory in this model, and instructions
cost nothing to issue. On the 910B a Cube core counts with its two vector cores as one, on which the gated delta rule works; the
scan works on every vector core. A token is one of one head: a layer of 16 heads makes 16 of each.
"""

from __future__ import annotations

import argparse
import itertools
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sfm_ms import plots
from sfm_ms.train import runtime

runtime.start()

from sfm_ms.ops.ascendc_sim import BuildError, Report, SimulationError
from sfm_ms.ops.gated_delta_rule.ascendc.simulated import Simulated
from sfm_ms.ops.signed_scan.ascendc import simulated as signed_scan

GROUPS = 1024  # tokens: a whole number of the groups of chunks that are prepared at once, where a full group fits in memory
PIPES = ["S", "V", "M", "MTE1", "MTE2", "MTE3", "FIX"]
NEARLY_ALL = 0.8  # of the cycles: a pipe that is busier binds, else the work waits
IN_README = ["kernel", "width", "chunk", "cycles/token", "Cube", "Vector", "MTE", "roofline/cycles", "binds", "Mtokens/s"]


class Kernel(NamedTuple):
    """`launch(chip, width, chunk_size, time)` simulates a task; the rest is what the mathematics needs for a token of it."""

    launch: Callable[..., Report]
    rows_read: int  # of `width` numbers
    rows_written: int
    flops: Callable[[int, int], int]  # of width and chunk size


def main() -> None:
    options = arguments()
    source = f"MODEL of the {options.chip}, not hardware"
    results = pd.DataFrame(rows(options))
    if results.empty:
        return
    results.insert(0, "source", source)
    title = f"{source}: {options.sequences} sequences of {options.time} tokens on all cores"
    print(f"{title}; cycles in thousands, of the core that has most to do")
    print(results.drop(columns="source").to_string(index=False, float_format=written, na_rep=""))
    results.to_csv(options.out.with_suffix(".csv"), index=False, lineterminator="\n", float_format="%.6g")
    plot(results, title, options.out.with_suffix(".png"))
    if options.readme:
        replace_table(options.readme, results[IN_README])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chip", choices=("910A", "910B"), required=True)
    parser.add_argument("--kernel", nargs="+", choices=KERNELS, default=list(KERNELS))
    parser.add_argument("--width", type=int, nargs="+", default=[16, 64, 128], help="of a sequence's keys, values or channels")
    parser.add_argument("--chunk-size", type=int, nargs="+", default=[16, 32, 64], help="of the gated delta rule")
    parser.add_argument("--time", type=int, default=2048, help="tokens of a sequence")
    parser.add_argument("--sequences", type=int, default=64, help="batch rows times heads")
    parser.add_argument("--readme", type=Path, help="a Markdown file whose table of these figures is to be replaced")
    parser.add_argument("--out", type=Path, default=Path("kernels_model"), help="of the .csv and the .png")
    return parser.parse_args()


# What can be simulated. The model's cycles do not depend on the numbers, so all are zeros.


def delta_rule(chip: str, width: int, chunk_size: int, time: int) -> Simulated:
    rows, numbers = np.zeros((1, time, 1, width), np.float16), np.zeros((1, time, 1), np.float32)
    return Simulated(rows, rows, rows, numbers, numbers, numbers, final_state(width), chunk_size=chunk_size, chip=chip)


def final_state(width: int) -> np.ndarray:
    return np.zeros((1, 1, width, width), np.float32)


def forward(chip: str, width: int, chunk_size: int, time: int) -> Report:
    return delta_rule(chip, width, chunk_size, time).forward_launch


def backward(chip: str, width: int, chunk_size: int, time: int) -> Report:
    call = delta_rule(chip, width, chunk_size, time)
    return call.backward_launch(np.zeros((1, time, 1, width), np.float16), final_state(width))


def scan(chip: str, width: int, _: int, time: int) -> Report:
    x = np.zeros((1, time, width), np.float16)
    return signed_scan.scan(x, x.astype(np.float32), np.zeros((1, width), np.float32), chip=chip, block="vector")


# Of the chunk form's products, a token takes part in 4 that have C terms (9 backward) and in 3 with the state (6).
KERNELS = {
    "forward": Kernel(forward, 3, 1, lambda width, chunk: 8 * chunk * width + 6 * width**2),
    "backward": Kernel(backward, 4, 3, lambda width, chunk: 18 * chunk * width + 12 * width**2),
    "scan": Kernel(scan, 2, 1, lambda width, chunk: 0),
}


# Simulating


def rows(options: argparse.Namespace) -> Iterator[dict]:
    """A row of the table for each kernel and size; a line on screen for what this chip cannot run."""
    for name in options.kernel:
        chunk_sizes = [0] if name == "scan" else options.chunk_size
        for width, chunk in itertools.product(options.width, chunk_sizes):
            try:
                yield row(name, options, width, chunk)
            except SimulationError as error:
                print(f"{name}, width {width}, chunk {chunk}: {str(error).splitlines()[0]}")
            except BuildError as error:
                print(f"{name} has no path for the {options.chip}: {missing(error)}")
                break


def missing(error: BuildError) -> str:
    """What a static assertion says that the chip lacks; other errors are no answer."""
    _, assertion, text = error.output.partition("static assertion failed: ")
    if not assertion:
        raise error
    return text.splitlines()[0]


def row(name: str, options: argparse.Namespace, width: int, chunk_size: int) -> dict:
    kernel, is_scan, all_channels = KERNELS[name], name == "scan", options.sequences * width
    task_width = min(signed_scan.MOST_CHANNELS, all_channels) if is_scan else width
    task, report = simulated(kernel, options.chip, task_width, chunk_size, options.time)
    num_cores = report.chip.vector_cores if is_scan else report.chip.cube_cores
    num_tasks = math.ceil(math.ceil(all_channels / task_width) / num_cores)
    numbers, flops = task_width * options.time, kernel.flops(task_width, chunk_size) * options.time
    memory = 2 * numbers * (kernel.rows_read / report.chip.gm_read_rate + kernel.rows_written / report.chip.gm_write_rate)
    cube = flops / report.chip.cube_flop_rate
    roofline, busy = max(memory, cube), task[PIPES]
    thousands = num_tasks / 1e3
    return {
        "kernel": name,
        "width": width,
        "chunk": chunk_size or np.nan,
        "cycles": thousands * task["cycles"],
        **(thousands * busy),
        "Cube": busy["M"] / task["cycles"],
        "Vector": busy["V"] / task["cycles"],
        "MTE": busy[["MTE1", "MTE2", "MTE3"]].max() / task["cycles"],
        "MiB": num_tasks * task["bytes"] / 2**20,
        "memory bound": thousands * memory,
        "Cube bound": thousands * cube,
        "roofline": thousands * roofline,
        "roofline/cycles": roofline / task["cycles"],
        "busiest": thousands * busy.max(),
        "binds": binds(busy / task["cycles"]),
        "cycles/token": task["cycles"] / (options.time * task_width / width),
        "Mtokens/s": options.sequences * options.time * report.ghz * 1e3 / (num_tasks * task["cycles"]),
    }


def simulated(kernel: Kernel, chip: str, width: int, chunk_size: int, time: int) -> tuple[pd.Series, Report]:
    """Cycles, in all and of each pipe, and bytes through global memory of a task, and the launch that they come from."""
    simulated_time = min(time, 2 * GROUPS + time % GROUPS)
    report = kernel.launch(chip, width, chunk_size, simulated_time)
    task = counts(report)
    if simulated_time < time:
        shorter = counts(kernel.launch(chip, width, chunk_size, simulated_time - GROUPS))
        task += (task - shorter) * ((time - simulated_time) / GROUPS)
    return task, report


def counts(report: Report) -> pd.Series:
    return pd.Series({"cycles": report.makespan, **report.busy, "bytes": report.gm_bytes})


def binds(share: pd.Series) -> str:
    pipe = share.idxmax()
    return pipe if share[pipe] > NEARLY_ALL else f"waiting ({pipe} {share[pipe]:.0%})"


# Showing


def replace_table(path: Path, results: pd.DataFrame) -> None:
    """In a Markdown file, the table with the same columns."""
    head, *body = [f"| {' | '.join(map(written, row))} |\n" for row in (list(results), *results.itertuples(index=False))]
    table = "".join([head, "|---" * results.shape[1], "|\n", *body])
    text, found = re.subn(re.escape(head) + r"(\|.*\n)+", lambda _: table, path.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{path} has no table that begins with {head}")
    path.write_text(text, encoding="utf-8")


def written(cell) -> str:
    if isinstance(cell, str):
        return cell
    return "" if cell != cell else f"{cell:,.0f}" if cell >= 100 else f"{cell:.3g}" if cell >= 1 else f"{cell:.2g}"


def plot(results: pd.DataFrame, title: str, path: Path) -> None:
    """The two bounds as shares of the cycles."""
    names = [f"{row.kernel} {row.width}" + (f", C = {row.chunk:.0f}" if row.chunk > 0 else "") for row in results.itertuples()]
    figure, axes = plt.subplots(figsize=(8, 1.5 + 0.35 * len(results)), layout="constrained")
    axes.barh(names, 100 * results["busiest"] / results["cycles"], color="lightgray", label="busiest pipe")
    axes.barh(names, 100 * results["roofline/cycles"], height=0.4, label="roofline")
    axes.invert_yaxis()
    axes.set(xlabel="% of the cycles", xlim=(0, 100))
    axes.set_title(title, fontsize="small")
    axes.legend(fontsize="small")
    axes.grid(axis="x", alpha=0.3)
    plots.save(figure, path)


if __name__ == "__main__":
    main()
