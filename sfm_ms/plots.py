"""Plots of a run, as PNG files."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt


def accuracy_by_length(results: dict, base_operations: int, path: Path) -> None:
    """Exact match against the number of operations, with the readers that need no model."""
    multipliers = list(results["exact_match"])
    operations = [int(multiplier) * base_operations for multiplier in multipliers]
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    axes.plot(
        operations,
        [100 * results["exact_match"][m] for m in multipliers],
        "o-",
        color="tab:blue",
        linewidth=2,
        label="model",
    )
    for lines, style in zip(results["window_reader"][multipliers[0]], (":", "-.", "--", (0, (1, 4))), strict=False):
        accuracy = [100 * results["window_reader"][m][lines] for m in multipliers]
        axes.plot(
            operations,
            accuracy,
            linestyle=style,
            color="tab:orange",
            label=f"exact interpreter of the last {lines} lines",
        )
    axes.plot(
        operations,
        [100 * results["majority_class"][m] for m in multipliers],
        color="gray",
        linewidth=1,
        label="majority class",
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks(operations, [f"{count}\n{m}x" for count, m in zip(operations, multipliers, strict=True)])
    axes.set(xlabel="operations in the program", ylabel="right answers, %", ylim=(0, 102))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=3, fontsize=8)
    _save(figure, path)


def training(rows: list[dict[str, float]], path: Path) -> None:
    """Loss and accuracy against the step, from the rows of metrics.csv."""
    steps = [row["step"] for row in rows]
    validated = [row for row in rows if "validation_exact_match" in row]
    figure, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=(7, 5.4), layout="constrained")
    top.plot(steps, [row["loss"] for row in rows], color="tab:blue")
    top.set(ylabel="loss, nats", yscale="log")
    bottom.plot(steps, [100 * row["value_accuracy"] for row in rows], color="tab:blue", label="supervised values, training")
    bottom.plot(
        [row["step"] for row in validated],
        [100 * row["validation_exact_match"] for row in validated],
        "o-",
        color="tab:green",
        label="final answers, validation",
    )
    bottom.set(xlabel="step", ylabel="right, %", ylim=(0, 102))
    bottom.legend(loc="lower right", fontsize=8)
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
