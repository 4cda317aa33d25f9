"""Draws how loss, exact match and the judge of Thinkers come along, stage after stage.

python tools/draw_stages.py Thinker=runs/thinker-tiny_stage1,runs/thinker-tiny_stage2 twin=runs/twin-1,runs/twin-2
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from sfm_ms import plots
from sfm_ms.train.run_folder import RunFolder

PANELS = {  # column of metrics.csv: title, scale, limits
    "told_loss": ("loss of what is told, nats a token", "log", (None, None)),
    "validation_exact_match": ("right answers of the probes", "linear", (0, 1.02)),
    "validation_judge_auc": ("judge's area under ROC, probes", "linear", (0, 1.02)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="LABEL=RUN,RUN", help="run folders, stage after stage")
    parser.add_argument("--out", type=Path, default=Path("stages.png"))
    options = parser.parse_args()
    models = {}
    for model in options.models:
        label, _, runs = model.partition("=")
        files = [RunFolder(Path(run)).metrics_file for run in runs.split(",")]
        missing = [str(file) for file in files if not file.is_file()]
        if missing:
            parser.error(f"{model}: expected LABEL=RUN,RUN of folders with metrics, found no {', '.join(missing)}")
        models[label] = one_after_another([pd.read_csv(file) for file in files])
    draw(models, options.out)


def one_after_another(stages: list[pd.DataFrame]) -> tuple[pd.DataFrame, list[int]]:
    """The rows of all stages, their steps counted on from one to the next; the steps at which a stage ends and another begins."""
    ends = pd.Series([rows["step"].max() for rows in stages]).cumsum().tolist()
    shifted = [rows.assign(step=rows["step"] + before) for rows, before in zip(stages, [0, *ends[:-1]], strict=True)]
    return pd.concat(shifted, ignore_index=True), ends[:-1]


def draw(models: dict[str, tuple[pd.DataFrame, list[int]]], out: Path) -> None:
    figure, panels = plt.subplots(1, len(PANELS), sharex=True, figsize=(11, 3.4), layout="constrained")
    for axes, (column, (title, scale, limits)) in zip(panels, PANELS.items(), strict=True):
        for number, (label, (rows, borders)) in enumerate(models.items()):
            known = rows.dropna(subset=column)
            axes.plot(known["step"], known[column], ".-", color=f"C{number}", label=label)
            for border in borders:
                axes.axvline(border, color="gray", linewidth=0.8, linestyle=":")
        axes.set(title=title, xlabel="step; dotted: another stage begins", yscale=scale, ylim=limits)
        axes.grid(alpha=0.3)
    panels[0].legend()
    plots.save(figure, out)


if __name__ == "__main__":
    main()
