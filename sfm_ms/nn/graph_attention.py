"""Attention of a graph's nodes to those that an edge comes from; Shaw et al. 2018, equations 3 and 4, over a list of edges.

    score = q_target . (k_source + k_kind) / sqrt(K)      weight = softmax of the scores over the edges of the same target
    y_target = sum of weight (v_source + v_kind) W_o      a node without edges gets 0

What an edge takes part in is proportional to the number of edges; nothing has the size of nodes times nodes.

Shapes: N nodes, E edges, D width, H heads, K = D / H width of a head, C kinds of edges.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.init import normal, table
from sfm_ms.nn.linear import product


class GraphAttention(nn.Cell):
    """(x (N, D), sources (E, D), targets (E,) int32 in 0..N, kinds (E,) int32 in 0..C - 1) -> (N, D).

    sources are the nodes at the edges' beginnings, targets the places of the nodes at their ends. An edge with target N is
    padding and counts nowhere. E and N are at least 1.
    """

    def __init__(self, dim: int, num_heads: int, num_kinds: int, rng: np.random.Generator):
        super().__init__()
        if num_heads < 1 or dim % num_heads != 0:
            raise ValueError(f"heads of graph attention: expected a divisor of the width {dim}, got {num_heads}")
        if num_kinds < 1:
            raise ValueError(f"kinds of edges of graph attention: expected at least 1, got {num_kinds}")
        self.num_heads, self.head_dim = num_heads, dim // num_heads
        self.to_query_DD, self.to_key_value_DX = normal(rng, (dim, dim)), normal(rng, (dim, 2 * dim))
        self.kind_CX = table(rng, (num_kinds, 2 * dim), std=1.0)  # as large as the keys and values that it is added to
        self.from_heads_DD = normal(rng, (dim, dim))

    def construct(self, x_ND, sources_ED, targets_E, kinds_E):
        num_nodes, dim = x_ND.shape
        query_ND = product(x_ND, self.to_query_DD) * self.head_dim**-0.5
        query_ED = ops.gather(query_ND, ops.minimum(targets_E, num_nodes - 1), 0)
        key_value_EX = product(sources_ED, self.to_key_value_DX) + ops.gather(self.kind_CX, kinds_E, 0)
        key_EHK, value_EHK = [self.by_heads(part) for part in ops.split(key_value_EX, dim, 1)]
        scores_EH = (self.by_heads(query_ED) * key_EHK).sum(2)
        weights_EH = segment_softmax(scores_EH, targets_E, num_nodes + 1)
        weighted_ED = (weights_EH.expand_dims(2) * value_EHK).reshape(-1, dim)
        read_ND = ops.unsorted_segment_sum(weighted_ED, targets_E, num_nodes + 1)[:num_nodes]
        return product(read_ND, self.from_heads_DD)

    def by_heads(self, x_ED):
        return x_ED.reshape(x_ED.shape[0], self.num_heads, self.head_dim)

    def products(self, num_nodes: int, num_edges: int) -> int:
        """Multiply-adds of the forward pass."""
        by_node = self.to_query_DD.size + self.from_heads_DD.size
        by_edge = self.to_key_value_DX.size + self.kind_CX.shape[1]  # the latter for the score and the weighted value
        return num_nodes * by_node + num_edges * by_edge


def segment_softmax(scores_EH, segments_E, num_segments):
    """Softmax over the rows of the same segment; (E, H), int32 (E,) in 0..num_segments - 1 -> (E, H)."""
    highest = ops.unsorted_segment_max(ops.stop_gradient(scores_EH), segments_E, num_segments)
    exponentials_EH = ops.exp(scores_EH - ops.gather(highest, segments_E, 0))
    sums = ops.unsorted_segment_sum(exponentials_EH, segments_E, num_segments)
    return exponentials_EH / ops.gather(sums, segments_E, 0)  # at least 1: no edge looks at an empty segment
