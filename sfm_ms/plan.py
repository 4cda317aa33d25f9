"""What a recipe costs before it runs: parameters, memory, floating-point operations."""

from __future__ import annotations

from typing import NamedTuple

from sfm_ms.data.splits import input_shape
from sfm_ms.models import build, num_parameters
from sfm_ms.recipe import Recipe

FLOAT_BYTES = 4
COPIES = 4  # a parameter, its gradient and AdamW's two moments
BACKWARD = 2  # the backward pass takes twice the operations of the forward pass


class Plan(NamedTuple):
    num_parameters: int
    parameter_bytes: int  # with gradients and moments
    activation_bytes: int  # kept for the backward pass of one graph
    forward_flops: int  # of the longest training program
    training_flops: int  # of all steps, padding included

    def lines(self) -> list[str]:
        """The plan for people."""
        parameters, activations = (size / 2**20 for size in (self.parameter_bytes, self.activation_bytes))
        return [
            f"parameters            {self.num_parameters:,}",
            f"memory per device     {parameters + activations:,.1f} MiB"
            f" (parameters, gradients and moments {parameters:,.1f}, activations {activations:,.1f})",
            f"FLOPs, one program    {self.forward_flops / 1e6:,.2f} M forward (the longest training program)",
            f"FLOPs, training       {self.training_flops / 1e12:,.2f} T",
        ]


def plan(recipe: Recipe) -> Plan:
    """Computed from the model's shapes; nothing is run on a device."""
    model = build(recipe, input_shape(recipe))
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
        forward,
        forward * passes * training.batch_size * training.steps,
    )
