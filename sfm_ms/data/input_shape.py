"""What a model must know of its task's input before it is built."""

from __future__ import annotations

from typing import NamedTuple

from sfm_ms.data.last_uses import NUM_RECALLED
from sfm_ms.data.operands import NUM_OPERANDS
from sfm_ms.data.readings import NUM_EDGE_KINDS, NUM_STATEMENT_KINDS
from sfm_ms.data.splits import language
from sfm_ms.recipe.schema import CodeExecutionTask, PythonCodeTask, Recipe
from sfm_ms.tasks.state_tracking import InputShape


class TextShape(NamedTuple):
    num_tokens: int
    num_statement_kinds: int = NUM_STATEMENT_KINDS
    num_edge_kinds: int = NUM_EDGE_KINDS
    num_operands: int = NUM_OPERANDS
    num_recalled: int = NUM_RECALLED


def input_shape(recipe: Recipe) -> InputShape | TextShape:
    if isinstance(recipe.task, PythonCodeTask | CodeExecutionTask):
        return TextShape(recipe.task.vocabulary)
    return language(recipe).input_shape()
