"""What a recipe costs before it runs: parameters, memory, floating-point operations; computed, nothing runs on a device."""

from __future__ import annotations

from sfm_ms.data.input_shape import input_shape
from sfm_ms.models import build
from sfm_ms.plan.thinker import ThinkerPlan, of_thinker
from sfm_ms.plan.trackers import Plan, of_programs, of_texts
from sfm_ms.recipe import Recipe


def plan(recipe: Recipe) -> Plan | ThinkerPlan:
    """`lines()` are for people; `problem()` says why the hardware cannot do it, or is empty.

    Raises RecipeError where the recipe names parameters that there are none of.
    """
    if recipe.task.kind == "code_execution":
        return of_thinker(recipe)
    model = build(recipe, input_shape(recipe))
    return (of_texts if recipe.task.kind == "python_code" else of_programs)(recipe, model)
