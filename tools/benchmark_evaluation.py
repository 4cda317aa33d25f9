"""Times answering at every test length and counts the graphs compiled for it: one, whatever the length.

python tools/benchmark_evaluation.py state_tracking/quick
"""

from __future__ import annotations

import argparse
import time

import pandas as pd

from sfm_ms.recipe import load
from sfm_ms.train import runtime

runtime.start()

from sfm_ms.data.input_shape import input_shape
from sfm_ms.data.splits import test_programs
from sfm_ms.models import build
from sfm_ms.train.metrics import Answerer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="a.b=c")
    options = parser.parse_args()

    recipe = load(options.recipe, options.overrides)
    model = build(recipe, input_shape(recipe))  # weights do not change the time
    answer = Answerer(model, recipe.training.segment_statements, recipe.evaluation.batch_size)
    began = time.perf_counter()
    answer(test_programs(recipe, 1))
    print(f"first answers, with compilation: {time.perf_counter() - began:.1f} s")

    rows = []
    for multiplier in recipe.task.test_multipliers:
        programs = test_programs(recipe, multiplier)
        segments = -(-int(programs.lengths.max()) // recipe.training.segment_statements)
        times = []
        for _ in range(3):
            began = time.perf_counter()
            answer(programs)
            times.append(time.perf_counter() - began)
        seconds = sorted(times)[1]
        rows.append(
            {
                "length": f"{multiplier}x",
                "statements": int(programs.lengths.max()),
                "segments": segments,
                "seconds": seconds,
                "ms a segment and 1000 programs": 1e6 * seconds / segments / len(programs),
                "graphs compiled": answer.num_graphs,
            }
        )
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.2f"))


if __name__ == "__main__":
    main()
