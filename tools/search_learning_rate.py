"""Trains a recipe a while at each of several learning rates and says which one answers the validation programs best.

python tools/search_learning_rate.py state_tracking/rivals/gru --steps 625
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path

from sfm_ms.recipe import load
from sfm_ms.train import runtime

runtime.start()

from sfm_ms.recipe import Recipe
from sfm_ms.train.trainer import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="a.b=c")
    parser.add_argument("--rates", type=float, nargs="+", default=[3e-4, 1e-3, 3e-3, 1e-2])
    parser.add_argument("--steps", type=int, default=1000, help="of each run, with a schedule of its own")
    parser.add_argument("--runs", type=Path, default=Path("runs/search"))
    options = parser.parse_args()

    scores = {}
    for rate in options.rates:
        scores[rate] = best_validation(at_rate(options.recipe, options.overrides, rate, options.steps), options.runs)
        print(f"learning rate {rate:g}: validation exact match {scores[rate]:.1%}", flush=True)
    print(f"best of {len(scores)} for {options.recipe}: {max(scores, key=scores.get):g}")


def at_rate(name: str, overrides: list[str], rate: float, steps: int) -> Recipe:
    plain = load(name, overrides)
    final = min(rate, plain.optimizer.final_learning_rate)
    validate_every = min(steps, plain.training.validate_every)
    changes = (
        f"name={plain.name}-{rate:g}",
        f"optimizer.learning_rate={rate}",
        f"optimizer.final_learning_rate={final}",
        f"training.steps={steps}",
        f"training.validate_every={validate_every}",
        f"training.log_every={math.gcd(validate_every, plain.training.log_every)}",
    )
    return load(name, [*overrides, *changes])


def best_validation(recipe: Recipe, runs: Path) -> float:
    run, _ = train(recipe, runs)
    with run.metrics_file.open(newline="", encoding="utf-8") as file:
        return max(float(row["validation_exact_match"]) for row in csv.DictReader(file) if row["validation_exact_match"])


if __name__ == "__main__":
    main()
