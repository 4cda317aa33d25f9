"""Measures what memory training steps of a Thinker take on this CPU, beside what `sfm check` computes.

python tools/measure_thinker_memory.py                                    three sizes, below 2 GB each
python tools/measure_thinker_memory.py thinker/stage1 model.checkpoint="''" model.dtype=float32 model.recompute=false \
    task.window_tokens=256 training.batch_size=1 training.micro_batches=1   steps of 1.5B, 12 GB

Each is trained for some steps on random tokens in a process of its own. Its peak of resident memory is reported without what it
had before the model was built: Python, the libraries, MindSpore's threads after a first small graph.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

from sfm_ms.recipe import Recipe, load
from sfm_ms.recipe.schema import Hardware
from sfm_ms.train import runtime

runtime.start()

import numpy as np
from mindspore import Tensor, nn

from sfm_ms.data.thinker_batches import PackedBatch
from sfm_ms.plan import plan
from sfm_ms.train.building import model_of
from sfm_ms.train.parallel import Ranks
from sfm_ms.train.thinker_step import ThinkerStep

MIB = 2**20
SMALL = "debug/thinker"
SIZES = {
    "activations": "model.dim=256 model.feed_forward_dim=1024 model.num_layers=4 task.window_tokens=512 training.batch_size=2",
    "parameters": "model.dim=1024 model.feed_forward_dim=2816 task.vocabulary=4096 training.batch_size=1 task.window_tokens=64",
    "logits": "model.dim=64 model.feed_forward_dim=128 task.vocabulary=65536 task.window_tokens=512 training.batch_size=2",
}
OF_ALL = "training.frozen=[] training.micro_batches=1"  # debug/thinker freezes the base


def main() -> None:
    options = arguments()
    if options.child:
        print(json.dumps(peak(load(options.recipe, options.overrides), options.steps)))
        return
    jobs = {options.recipe: (options.recipe, options.overrides)} if options.recipe else small_jobs()
    print(f"{'':<22}{'measured':>12}{'computed':>12}{'difference':>12}   MiB, at the moment")
    for name, (recipe, overrides) in jobs.items():
        here = dataclasses.replace(load(recipe, overrides), hardware=Hardware())  # one CPU, whatever the recipe is for
        measured, found = of_process(recipe, overrides, options.steps), plan(here)
        difference = found.peak_bytes / measured - 1
        sizes = f"{measured / MIB:>12,.1f}{found.peak_bytes / MIB:>12,.1f}"
        print(f"{name:<22}{sizes}{difference:>+12.1%}   {found.fullest}", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", help="of the task code_execution; three sizes of debug/thinker where it is left out")
    parser.add_argument("overrides", nargs="*", metavar="a.b=c")
    parser.add_argument("--steps", type=int, default=2, help="from the second on all tables are there from the start")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def small_jobs() -> dict[str, tuple[str, list[str]]]:
    return {name: (SMALL, f"{OF_ALL} {overrides}".split()) for name, overrides in SIZES.items()}


def of_process(recipe: str, overrides: list[str], steps: int) -> int:
    """Bytes."""
    command = [sys.executable, __file__, "--child", "--steps", str(steps), recipe, *overrides]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def peak(recipe: Recipe, steps: int) -> int:
    """Bytes of resident memory that this process takes at most for the model and its training."""
    Doubled()(Tensor(np.ones(1, np.float32))).asnumpy()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak of what was until now is forgotten
    step, rng = ThinkerStep(model_of(recipe, Path("runs")), recipe, Ranks()), np.random.default_rng(0)
    for _ in range(steps):
        step(batch(recipe, rng), recipe.optimizer.learning_rate)
    return status("VmHWM") - before


class Doubled(nn.Cell):
    def construct(self, x):
        return x + x


def batch(recipe: Recipe, rng: np.random.Generator) -> PackedBatch:
    """Each row one sample, the loss on all of it."""
    task, num_rows = recipe.task, recipe.training.batch_size
    by_token, by_sample = (num_rows, task.window_tokens), (num_rows, task.max_samples)
    tokens_BT, targets_BT = rng.integers(0, task.vocabulary, (2, *by_token)).astype(np.int32)
    ones_BT, ones_BP = np.ones(by_token, np.int32), np.ones(by_sample, np.float32)
    places_BP = np.zeros(by_sample, np.int32)
    return PackedBatch(tokens_BT, ones_BT, targets_BT, ones_BT.astype(np.float32), places_BP, places_BP, ones_BP, ones_BP)


def status(field: str) -> int:
    """Bytes, from Linux."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
