"""Plots of a run, as PNG files."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.colors import LinearSegmentedColormap


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
    save(figure, path)


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
    save(figure, path)


def trace(trace: dict, path: Path) -> None:
    """What every statement reads from and writes to the slots, its ticks, and where a decoded value is wrong.

    `trace` is `Trace.to_dict()` of at least one statement. Up to 40 statements, the cells also show the numbers written.
    """
    statements, num_slots = trace["statements"], trace["num_slots"]
    count = len(statements)
    column, row = min(max(15 / count, 0.02), 0.42), 0.3  # inches of a cell
    figure, (strip, bank) = plt.subplots(
        2,
        1,
        sharex=True,
        figsize=(max(column * count, 5) + 2, row * num_slots + 2.2),
        height_ratios=(3 * row, num_slots * row),
        layout="constrained",
    )
    strip.bar(range(1, count + 1), [statement["ticks"] for statement in statements], color="gray")
    strip.set(ylabel="ticks", ylim=(0, None))
    strip.locator_params(axis="y", integer=True)
    heat = bank.imshow(
        [[statement["writes"][slot] for statement in statements] for slot in range(num_slots)],
        cmap=LinearSegmentedColormap.from_list("written", ["white", "#f6a55e"]),
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        extent=(0.5, count + 0.5, num_slots - 0.5, -0.5),
    )
    figure.colorbar(heat, ax=bank, label="write strength", fraction=0.02, pad=0.01, aspect=45)
    _mark_reads(bank, statements, size=72 * min(column, row))
    _frame_errors(bank, statements, size=72 * min(column, row))
    if count <= 40:
        _put_written_numbers(bank, statements)
    if count <= 60:
        texts = [statement["text"] for statement in statements]
        bank.set_xticks(range(1, count + 1), texts, rotation=90, family="monospace", fontsize=8, parse_math=False)
        bank.set_xticks([number + 0.5 for number in range(count)], minor=True)
    else:
        bank.set_xlabel("statement")
    bank.set(ylabel="slot and whose home it is", xlim=(0.5, count + 0.5))
    bank.set_yticks(range(num_slots), _slot_labels(statements[0], num_slots))
    bank.set_yticks([slot + 0.5 for slot in range(num_slots)], minor=True)
    bank.grid(which="minor", color="0.9")
    for axes in (strip, bank):
        axes.tick_params(which="minor", length=0)
    figure.legend(loc="outside upper right", ncols=2, fontsize=8)
    save(figure, path)


def _mark_reads(axes: plt.Axes, statements: list[dict], size: float) -> None:
    """A dot for what is read, its area the strength; `size` of a cell in points."""
    reads = [
        (number, slot, strength)
        for number, statement in enumerate(statements, start=1)
        for read in statement["reads"]
        for slot, strength in enumerate(read["weights"])
        if strength >= 0.05
    ]
    x, y, strengths = zip(*reads, strict=True) if reads else ((), (), ())
    diameter = min(max(0.5 * size, 2), 7)
    areas = [diameter**2 * strength for strength in strengths]
    # Above the middle of the cell, where it does not hide the number written.
    axes.scatter(x, [slot - 0.3 for slot in y], areas, color="tab:blue", linewidths=0, zorder=3)
    axes.plot([], [], "o", color="tab:blue", markersize=6, label="read, by strength")


def _frame_errors(axes: plt.Axes, statements: list[dict], size: float) -> None:
    """A frame around the home of every variable that is decoded wrong after the statement."""
    frame = {"marker": "s", "color": "none", "markeredgecolor": "crimson", "linestyle": ""}
    wrong = [
        (number, variable["slot"])
        for number, statement in enumerate(statements, start=1)
        for variable in statement["decoded"]
        if variable["true"] not in (None, variable["value"])
    ]
    x, y = zip(*wrong, strict=True) if wrong else ((), ())
    axes.plot(x, y, **frame, markersize=max(0.85 * size, 3), markeredgewidth=min(max(0.1 * size, 0.7), 2))
    axes.plot([], [], **frame, markersize=8, label="decoded wrong")


def _put_written_numbers(axes: plt.Axes, statements: list[dict]) -> None:
    for number, statement in enumerate(statements, start=1):
        for slot, strength in enumerate(statement["writes"]):
            if strength >= 0.5:
                value = statement["slots"][slot]["value"]
                axes.text(number, slot + 0.15, value, ha="center", va="center", fontsize=8)


def _slot_labels(statement: dict, num_slots: int) -> list[str]:
    homes = [[each["variable"] for each in statement["decoded"] if each["slot"] == slot] for slot in range(num_slots)]
    return [f"{', '.join(names)}  {slot}" for slot, names in enumerate(homes)]


def save(figure: plt.Figure, path: Path) -> None:
    """As the PNG file, with the folders that it needs; the figure is closed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
