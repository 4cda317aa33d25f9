"""Slots that are learned and never written: the ablation that shows what writing buys the state tracker.

A statement looks its own vector up in the slots by softmax attention; nothing of the statements before it is known.

Shapes: B programs, T statements of a segment, W tokens a statement, Q questions a program, N slots, D width.
"""

from __future__ import annotations

import numpy as np
from mindspore import ops

from sfm_ms.models.rival import Rival
from sfm_ms.nn.init import normal
from sfm_ms.nn.linear import Linear, num_inputs, num_products
from sfm_ms.nn.statement_embedding import StatementEmbedding
from sfm_ms.recipe.schema import StaticSlotsModel


class StaticSlots(Rival):
    """See Rival; there is no state, so a program's segments are as good as the whole."""

    def __init__(self, config: StaticSlotsModel, shape, seed: int):
        rng = np.random.default_rng(seed)
        super().__init__(config.dim, shape, rng)
        self.num_slots, self.scale = config.num_slots, config.dim**-0.5
        self.embedding = StatementEmbedding(config.token_dim, config.dim, shape, rng)
        self.query = Linear(config.dim, config.dim, rng)
        self.key_ND = normal(rng, (config.num_slots, config.dim), std=1.0)
        self.value_ND = normal(rng, (config.num_slots, config.dim), std=1.0)

    def hidden(self, statements_BTW, questions_BQ, state):
        x_BTD, _ = self.embedding(statements_BTW)
        query_MD = self.query(x_BTD).reshape(-1, self.dim) * self.scale
        weights_MN = ops.softmax(ops.matmul(query_MD, self.key_ND.T), -1)
        found_BTD = ops.matmul(weights_MN, self.value_ND).reshape(x_BTD.shape)
        return x_BTD + found_BTD, state

    def hidden_products(self, num_statements: int) -> int:
        look_up = num_products(self.query) + 2 * self.num_slots * self.dim
        return num_statements * (num_products(self.embedding) + look_up)

    def hidden_activations(self, num_statements: int) -> int:
        look_up = num_inputs(self.query) + self.dim + self.num_slots
        return num_statements * (num_inputs(self.embedding) + look_up)
