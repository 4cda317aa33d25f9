"""What training a Thinker costs, for people, and whether the recipe's hardware can do it."""

from __future__ import annotations

from typing import NamedTuple

from sfm_ms.models.thinker import Thinker
from sfm_ms.nn.cost import Cost
from sfm_ms.plan import memory, work
from sfm_ms.plan.memory import Kinds
from sfm_ms.plan.stages import thinker_of, trained
from sfm_ms.plan.work import Times, Work
from sfm_ms.recipe import Recipe

MIB, GIB = 2**20, 2**30
HELP = {  # kind of memory -> what makes it less
    "weights": "model.dtype=float16 or bfloat16 halves the weights of the base",
    "master copies": "more hardware.devices share out the master copies",
    "gradients": "training.frozen=[base] or model.lora_rank=16 trains fewer parameters",
    "Adam's moments": "more hardware.devices share out Adam's moments",
    "activations": "model.recompute=true, more training.micro_batches or a smaller task.window_tokens keep fewer activations",
    "logits": "more training.micro_batches or a smaller task.window_tokens make fewer logits at once",
    "new values": "more hardware.devices share out the update",
    "tables (CPU)": "more training.micro_batches or a smaller task.window_tokens make smaller tables",
    "building (CPU)": "training.frozen=[base] or model.lora_rank=16 trains fewer parameters",
    "compiler (CPU)": "a smaller model.num_layers leaves less of the compiler's graphs",
}


class ThinkerPlan(NamedTuple):
    recipe: Recipe
    parts: dict[str, Cost]  # of base, blocks and heads, for one text of the window's length
    trained: dict[str, int]  # parameters of each that learn
    memory: dict[str, Kinds]  # of a device, at each moment of a step
    work: Work  # of a device, with one micro-batch
    times: Times | None  # None: the peak is unknown

    @property
    def num_parameters(self) -> int:
        return sum(part.parameters for part in self.parts.values())

    @property
    def fullest(self) -> str:
        """The moment when most memory is taken."""
        return max(self.memory, key=lambda moment: sum(self.memory[moment].values()))

    @property
    def peak_bytes(self) -> int:
        return sum(self.memory[self.fullest].values())

    def lines(self) -> list[str]:
        return [*self._of_parameters(), *self._of_memory(), *self._of_work()]

    def problem(self) -> str:
        """Why a device's memory is too small, and what to change; nothing where it is large enough or unknown."""
        limit = self.recipe.hardware.memory_gib
        if not limit or self.peak_bytes <= limit * GIB:
            return ""
        kinds = self.memory[self.fullest]
        largest = sorted(kinds, key=lambda kind: -kinds[kind])[:3]
        most = ", ".join(f"{kind} {kinds[kind] / GIB:,.2f}" for kind in largest)
        needed = f"a device has {limit:g} GiB, training takes {self.peak_bytes / GIB:,.2f}"
        is_half = self.recipe.model.dtype != "float32"
        advice = [HELP[kind] for kind in largest if not (is_half and kind == "weights")]
        if self.recipe.model.recompute:
            advice = [line.removeprefix("model.recompute=true, ") for line in advice]
        return "\n  ".join([f"hardware.memory_gib: {needed}; most of it, at the moment '{self.fullest}': {most}", *advice])

    def _of_parameters(self) -> list[str]:
        of_parts = [
            f"    {name:<18}{part.parameters:>15,}{self.trained[name]:>15,} trained{part.flops / 1e9:>12,.2f} GFLOPs forward"
            for name, part in self.parts.items()
        ]
        return [f"parameters            {self.num_parameters:>15,}{sum(self.trained.values()):>15,} trained", *of_parts]

    def _of_memory(self) -> list[str]:
        kinds = list(self.memory[self.fullest])
        rows = {kind: [of_moment[kind] for of_moment in self.memory.values()] for kind in kinds}
        rows["total"] = [sum(of_moment.values()) for of_moment in self.memory.values()]
        return [
            "MiB of a device at    " + "".join(f"{moment:>13}" for moment in self.memory),
            *(f"    {kind:<18}" + "".join(f"{size / MIB:>13,.1f}" for size in sizes) for kind, sizes in rows.items()),
            f"memory per device     {self.peak_bytes / MIB:,.1f} MiB, at the moment '{self.fullest}'",
        ]

    def _of_work(self) -> list[str]:
        training = self.recipe.training
        places = training.batch_size // training.micro_batches * self.recipe.task.window_tokens
        forward, in_training = (flops / places / 1e6 for flops in (self.work.forward, self.work.made))
        num_micro_batches = training.micro_batches * self.recipe.hardware.devices
        step = f"{self.work.made * num_micro_batches / 1e12:,.3f} T of all devices, {places * num_micro_batches:,} tokens"
        lines = [
            f"FLOPs of a token      {forward:,.2f} M forward, {in_training:,.2f} M in training",
            f"FLOPs of a step       {step}",
        ]
        if self.times:
            parts = ", ".join(f"{name} {getattr(self.times, name):,.3f}" for name in ("products", "memory", "link"))
            lines += [
                f"projected step        {self.times.step:,.3f} s ({parts}); computed, not measured",
                f"projected MFU         {self.times.utilisation:.1%}, with products at {work.SHARE_OF_PEAK:.0%} of the peak",
            ]
        return lines


def num_trained(model: Thinker) -> dict[str, int]:
    """Parameters of each part that learn."""
    counts = dict.fromkeys(("base", "sfm", "heads"), 0)
    for parameter in trained(model):
        part = parameter.name.split(".")[0]
        counts[part if part in counts else "heads"] += parameter.size
    return counts


def of_thinker(recipe: Recipe) -> ThinkerPlan:
    """RecipeError: training.frozen names no parameters."""
    model = thinker_of(recipe)
    parts, of_step = model.costs(recipe.task.window_tokens), memory.of_step(model, recipe)
    return ThinkerPlan(
        recipe, parts, num_trained(model), of_step, work.of_micro_batch(model, recipe), work.projected(model, recipe)
    )
