"""Adaptive computation: how many ticks a statement takes, decided after each of them.

    p_j = lambda_j prod_{i<j} (1 - lambda_i)        the chance that tick j is the last; the last tick has lambda = 1
    state = sum_j p_j state_j                       what goes on to the next statement
    ticks = sum_j j p_j                             expected number, which the loss may charge for

p is PonderNet's distribution (Banino et al. 2021, eq. 4), the mixed state is that of ACT (Graves 2016, eq. 8). Unlike
ACT's remainder the expected number of ticks is differentiable everywhere. It is also the sum of the chances that each tick
runs at all.

Shapes: B programs, J ticks.
"""

from __future__ import annotations

from mindspore import ops


def tick_probabilities(halt_logits, one_B1, num_ticks: int):
    """From the logits of lambda (B, 1): the J chances that a tick is the last, and the J chances that it runs at all.

    No logits: nothing halts before tick J.
    """
    if len(halt_logits) == 0:
        return [ops.zeros_like(one_B1)] * (num_ticks - 1) + [one_B1], [one_B1] * num_ticks
    last, reached = [], [one_B1]
    for logit_B1 in halt_logits:
        halt_B1 = ops.sigmoid(logit_B1)
        last.append(reached[-1] * halt_B1)
        reached.append(reached[-1] * (1 - halt_B1))
    return [*last, reached[-1]], reached
