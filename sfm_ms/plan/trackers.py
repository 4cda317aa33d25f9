"""What training a model of programs or of texts costs: parameters, memory, floating-point operations."""

from __future__ import annotations

from typing import NamedTuple

from sfm_ms.models import num_parameters
from sfm_ms.nn.cost import Cost
from sfm_ms.recipe import Recipe

FLOAT_BYTES = 4
COPIES = 4  # a parameter, its gradient and AdamW's two moments
BACKWARD = 2  # the backward pass takes twice the operations of the forward pass


class Plan(NamedTuple):
    num_parameters: int
    parameter_bytes: int  # with gradients and moments
    activation_bytes: int  # kept for the backward pass of one graph
    unit: str  # what `forward_flops` are of
    forward_flops: int
    training_flops: int  # of all steps, padding included
    systems: dict[str, Cost]  # of a language model; otherwise empty

    def lines(self) -> list[str]:
        """The plan for people."""
        parameters, activations = (size / 2**20 for size in (self.parameter_bytes, self.activation_bytes))
        return [
            f"parameters            {self.num_parameters:,}",
            *(f"    {name:<14}    {of.parameters:>11,}  {of.flops / 1e6:>9,.1f} MFLOPs" for name, of in self.systems.items()),
            f"memory per device     {parameters + activations:,.1f} MiB"
            f" (parameters, gradients and moments {parameters:,.1f}, activations {activations:,.1f})",
            f"FLOPs, forward        {self.forward_flops / 1e6:,.2f} M, {self.unit}",
            f"FLOPs, training       {self.training_flops / 1e12:,.2f} T",
        ]

    def problem(self) -> str:
        """What such recipes train on, nothing in them says: so nothing is exceeded."""
        return ""


def of_programs(recipe: Recipe, model) -> Plan:
    training = recipe.training
    num_statements = recipe.task.num_variables + recipe.task.max_operations
    padded = -(-num_statements // training.segment_statements) * training.segment_statements
    in_graph = training.segment_statements if model.carries_state else padded
    forward = model.flops(padded)
    passes = 1 + BACKWARD + (in_graph < padded)  # with several segments the forward pass is made twice
    return Plan(
        num_parameters(model),
        num_parameters(model) * FLOAT_BYTES * COPIES,
        model.activations(in_graph) * FLOAT_BYTES * training.batch_size,
        "the longest training program",
        forward,
        forward * passes * training.batch_size * training.steps,
        {},
    )


def of_texts(recipe: Recipe, model) -> Plan:
    task, training = recipe.task, recipe.training
    num_statements = task.window_statements
    costs = model.costs(task.window_tokens, num_statements, num_statements * task.edges_per_statement)
    forward = sum(of.flops for of in costs.values())
    return Plan(
        num_parameters(model),
        num_parameters(model) * FLOAT_BYTES * COPIES,
        model.activations(task.window_tokens, num_statements) * FLOAT_BYTES * training.batch_size,
        f"a piece of {task.window_tokens} tokens",
        forward,
        forward * (1 + BACKWARD) * training.batch_size * training.steps,
        costs,
    )
