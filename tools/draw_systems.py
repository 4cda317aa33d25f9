"""Draws how data flows through a State-Flow Machine, with the shapes, states and parameters of the model that a recipe builds.

python tools/draw_systems.py sfm/small --out recipes/sfm/systems.png
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

from sfm_ms.recipe import load
from sfm_ms.train import runtime

runtime.start()

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from sfm_ms.data.input_shape import input_shape
from sfm_ms.models import build
from sfm_ms.models.state_flow_machine import LAYERS_BETWEEN_EXCHANGES, StateFlowMachine
from sfm_ms.recipe.schema import StateFlowMachineModel

COLORS = {"perception": "#dbe9f6", "structure": "#e5f2dc", "execution": "#fde6cf", "meta": "#ead9f2", "bridge": "#f2f2f2"}
ROW, TOKENS, STATEMENTS = 1.5, 0.0, 5.4  # height of a row; x of the column of tokens and of that of statements


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="a.b=c")
    parser.add_argument("--out", type=Path, default=Path("systems.png"))
    options = parser.parse_args()
    recipe = load(options.recipe, options.overrides)
    if not isinstance(recipe.model, StateFlowMachineModel):
        parser.error(f"model.kind: expected state_flow_machine, got {recipe.model.kind}")
    draw(build(recipe, input_shape(recipe)), recipe.model, recipe.task.window_tokens, recipe.task.window_statements, options.out)


def draw(model: StateFlowMachine, config: StateFlowMachineModel, num_tokens: int, num_statements: int, out: Path) -> None:
    costs = {name: f"{cost.parameters:,} parameters" for name, cost in model.costs(num_tokens, num_statements, 1).items()}
    rows = rows_of(model, config)
    figure, axes = plt.subplots(figsize=(10.5, 1.05 * ROW * (len(rows) + 2)), layout="constrained")
    top, bottom = ROW * (len(rows) + 1), 0.0
    box(axes, TOKENS, top, f"embedding of tokens\n{model.vocabulary.num_tokens:,} x {config.dim}", "bridge")
    box(axes, TOKENS, bottom, f"norm, logits ({num_tokens}, {model.vocabulary.num_tokens:,})", "bridge")
    axes.text(STATEMENTS, top, "\n".join(f"{name}: {cost}" for name, cost in costs.items()), ha="center", va="center", fontsize=8)
    labels = {TOKENS: f"tokens ({num_tokens}, {config.dim})", STATEMENTS: f"statements ({num_statements}, {config.shared_dim})"}
    places = [(TOKENS, top), *((column, top - ROW * (1 + n)) for n, (column, *_) in enumerate(rows)), (TOKENS, bottom)]
    for (column, y), (_, kind, lines) in zip(places[1:], rows, strict=False):
        box(axes, column, y, "\n".join(lines), kind)
    for column, label in labels.items():  # down each column
        own = [place for place in places if place[0] == column]
        for start, end in pairwise(own):
            arrow(axes, start, end, label if column == TOKENS else "+")
    for start, end in pairwise(places):  # across
        if start[0] != end[0]:
            arrow(axes, start, end, labels[STATEMENTS] if end[0] == STATEMENTS else "")
    axes.set(xlim=(-2.4, 8.2), ylim=(bottom - 0.7 * ROW, top + 0.7 * ROW))
    axes.axis("off")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)


def rows_of(model: StateFlowMachine, config: StateFlowMachineModel) -> list[tuple[float, str, list[str]]]:
    """(column, kind, lines) from top to bottom: layers of Perception, then the turns of an exchange."""
    rows = []
    if model.last_use is not None:
        rows.append((TOKENS, "structure", ["Structure: what came after each token's last use", "gain 0 in a fresh model"]))
    for number, stage in enumerate(model.stages):
        first = number * LAYERS_BETWEEN_EXCHANGES + 1
        rows.append((TOKENS, "perception", [f"Perception, layers {first} and {first + 1}", "state " + shapes(stage)]))
        for exchange in model.exchanges[number : number + 1]:
            systems = [(name, getattr(exchange, name)) for name in ("structure", "execution", "meta")]
            rows += [(STATEMENTS, name, [name.capitalize(), "state " + shapes(it)]) for name, it in systems if it is not None]
            heard = "what was said of the last statement" + (", and slots" if config.execution else "")
            rows.append((TOKENS, "bridge", [f"Bridge {number + 1}: tokens hear", heard, "gain 0 in a fresh model"]))
    return rows


def shapes(system) -> str:
    return "  ".join(str(part.shape[1:]).replace(",)", ")") for part in system.begin(1) if part.ndim > 1)


def box(axes, x: float, y: float, text: str, kind: str) -> None:
    width, height = 4.0, 0.9
    style = {"boxstyle": "round,pad=0.04", "facecolor": COLORS[kind], "edgecolor": "#666666"}
    axes.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, **style))
    axes.text(x, y, text, ha="center", va="center", fontsize=8.5)


def arrow(axes, start: tuple[float, float], end: tuple[float, float], label: str) -> None:
    (x, y), (to_x, to_y) = start, end
    side = 2.05 * ((to_x > x) - (to_x < x))
    begin, finish = ((x + side, y), (to_x - side, to_y)) if side else ((x, y - 0.5), (to_x, to_y + 0.5))
    axes.add_patch(FancyArrowPatch(begin, finish, arrowstyle="-|>", mutation_scale=12, color="#444444", shrinkA=0, shrinkB=0))
    middle = ((begin[0] + finish[0]) / 2 + 0.1, (begin[1] + finish[1]) / 2)
    axes.text(*middle, label, fontsize=7.5, va="center", color="#333333")


if __name__ == "__main__":
    main()
