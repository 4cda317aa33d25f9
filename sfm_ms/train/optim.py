"""AdamW with bias correction over two groups of parameters, clipping by the global norm, and the learning-rate schedule."""

from __future__ import annotations

import math

from mindspore import Parameter, nn, ops
from mindspore.experimental import optim

from sfm_ms.recipe.schema import Optimizer


def learning_rate(config: Optimizer, step: int, num_steps: int) -> float:
    """Linear warm-up to the peak, then a cosine to the final rate at the last step; steps count from 0."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, num_steps - 1 - config.warmup_steps)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * cosine


class Update(nn.Cell):
    """(learning rate, *gradients in the order of `parameters_in_order`) -> norm of the gradients before clipping.

    Gradients are single arguments because graph mode takes a tuple for a constant and would compile anew at each call.
    """

    def __init__(self, parameters: list[Parameter], config: Optimizer):
        super().__init__()
        decays = [parameter.ndim > 1 and not getattr(parameter, "is_table", False) for parameter in parameters]
        matrices = [parameter for parameter, decays_too in zip(parameters, decays, strict=True) if decays_too]
        others = [parameter for parameter, decays_too in zip(parameters, decays, strict=True) if not decays_too]
        groups = [
            {"params": group, "weight_decay": decay} for group, decay in ((matrices, config.weight_decay), (others, 0.0)) if group
        ]
        names = [parameter.name for parameter in matrices + others]
        self.adamw = optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, eps=config.epsilon)
        self.parameters_in_order = matrices + others
        for parameter, name in zip(self.parameters_in_order, names, strict=True):
            parameter.name = name  # an optimizer may rename what it is given
        self.num_groups, self.clip_norm = len(groups), config.clip_norm

    def construct(self, rate, *gradients):
        norm = ops.sqrt(sum([(gradient * gradient).sum() for gradient in gradients]))
        factor = self.clip_norm / ops.maximum(norm, self.clip_norm)
        for group in range(self.num_groups):
            ops.assign(self.adamw.param_groups[group]["lr"], rate)
        return ops.depend(norm, self.adamw(tuple([gradient * factor for gradient in gradients])))

    def state(self) -> dict[str, Parameter]:
        """Moments and the step count, by name: with the model's parameters, all that training needs to go on."""
        names = [parameter.name for parameter in self.parameters_in_order]
        moments = {"first_moment": self.adamw.exp_avg, "second_moment": self.adamw.exp_avg_sq}
        state = {
            f"{moment}.{name}": value for moment, values in moments.items() for name, value in zip(names, values, strict=True)
        }
        return {**state, "num_updates": self.adamw.state_step}
