"""MindFormers' AdamW in the place of ours, with the same rates, decays, clipping, master copies and names in a checkpoint."""

from __future__ import annotations

from mindspore import Tensor, ops
from mindspore import dtype as mstype

from sfm_ms.train import mindformers_package
from sfm_ms.train.optim import Update


class MindFormersUpdate(Update):
    """As Update. MindFormers takes all gradients at once, so a clipped copy of all of them is in memory."""

    def begin(self) -> None:
        adamw = mindformers_package.part("core.optim").AdamW
        # A parameter a group, each with a rate of its own that is set at every step.
        groups = [
            {"params": [master], "lr": Tensor(0.0, mstype.float32), "weight_decay": decay}
            for master, decay in zip(self.masters, self.decays, strict=True)
        ]
        self.adamw = adamw(groups, betas=self.betas, eps=self.epsilon)
        self.first_moments, self.second_moments = self.adamw.exp_avg, self.adamw.exp_avg_sq
        self.num_updates = self.adamw.global_step

    def construct(self, rate, *gradients):
        norm, factor = self.clipping(gradients)
        for i in range(len(self.owned)):
            ops.assign(self.adamw.learning_rate[i], rate * self.rates[i])
        clipped = tuple([gradients[i].astype(mstype.float32) * factor for i in self.owned])
        new = self.adamw(clipped)
        for i in range(len(self.owned)):
            self.round_own(i, new[i])
        return ops.depend(norm, new)
