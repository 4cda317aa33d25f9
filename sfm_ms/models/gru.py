"""Layers of gated recurrent units over statements; a rival of the state tracker.

Shapes: B programs, T statements of a segment, W tokens a statement, Q questions a program, D width, L layers.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.models.rival import Rival
from sfm_ms.nn.gru import Gru
from sfm_ms.nn.linear import num_inputs, num_products
from sfm_ms.nn.statement_embedding import StatementEmbedding
from sfm_ms.recipe.schema import GruModel


class GruTracker(Rival):
    """See Rival; the state is the layers' h side by side, (B, L D)."""

    def __init__(self, config: GruModel, shape, seed: int):
        rng = np.random.default_rng(seed)
        super().__init__(config.dim, shape, rng)
        self.state_size = config.num_layers * config.dim
        self.embedding = StatementEmbedding(config.token_dim, config.dim, shape, rng)
        self.layers = nn.CellList([Gru(config.dim, rng) for _ in range(config.num_layers)])
        self.by_layer = ops.Split(1, config.num_layers)

    def hidden(self, statements_BTW, questions_BQ, state):
        x_BTD, is_statement_BT = self.embedding(statements_BTW)
        first, last = self.by_layer(state), []
        for i, layer in enumerate(self.layers):
            x_BTD, h_BD = layer(x_BTD, is_statement_BT, first[i])
            last.append(h_BD)
        return x_BTD, ops.concat(last, 1)

    def hidden_products(self, num_statements: int) -> int:
        return num_statements * (num_products(self.embedding) + num_products(self.layers))

    def hidden_activations(self, num_statements: int) -> int:
        gates = 4 * self.state_size  # r, u, n and what r multiplies
        return num_statements * (num_inputs(self.embedding) + num_inputs(self.layers) + gates)
