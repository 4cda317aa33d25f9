"""What the recipe chooses between: whose AdamW updates, and by which schedule the learning rate goes."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mindspore import Parameter, Tensor
from mindspore import dtype as mstype

from sfm_ms.recipe.schema import Optimizer
from sfm_ms.train import mindformers_package
from sfm_ms.train.mindformers_optim import MindFormersUpdate
from sfm_ms.train.optim import Update, learning_rate

UPDATES = {"sfm_ms": Update, "mindformers": MindFormersUpdate}
OF_MINDFORMERS = {
    "mindformers_cosine": "CosineWithWarmUpLR",
    "mindformers_linear": "LinearWithWarmUpLR",
    "mindformers_constant": "ConstantWarmUpLR",
    "mindformers_stable_decay": "WarmUpStableDecayLR",
}


def update_of(parameters: list[Parameter], config: Optimizer, owned: Collection[int] | None = None) -> Update:
    return UPDATES[config.adamw](parameters, config, owned)


def schedule_of(config: Optimizer, num_steps: int) -> Callable[[int], float]:
    """step, counted from 0 -> learning rate."""
    if config.schedule == "cosine":
        return lambda step: learning_rate(config, step, num_steps)
    schedule = getattr(mindformers_package.part("core.lr"), OF_MINDFORMERS[config.schedule])(  # each uses what it knows of these
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        total_steps=num_steps,
        lr_end=config.final_learning_rate,
        decay_start_steps=num_steps - config.decay_steps,
    )
    return lambda step: float(schedule(Tensor(step, mstype.int32)).asnumpy())
