"""System 3, structure: graph attention over a code graph whose nodes are statements of a text that arrive in order.

A layer adds to a node what it reads from the nodes that its edges come from, and then a gated feed-forward layer, both of
the normalised node. A text comes in segments: what its nodes were at the input of each layer is kept, so that later nodes
find there what an edge from an earlier segment brings. The cost of a segment grows with its nodes and edges, but for the
copying of what is kept.

Shapes: B texts, S places for the nodes that a segment completes, E places for its edges, D width, L layers, M nodes that a
text may have. In a layer all texts' nodes are side by side: N = B S nodes, A = B E edges, P = B M kept nodes.
"""

from __future__ import annotations

import numpy as np
from mindspore import dtype as mstype
from mindspore import nn, ops

from sfm_ms.nn.graph_attention import GraphAttention
from sfm_ms.nn.init import table
from sfm_ms.nn.norm import RmsNorm
from sfm_ms.nn.swiglu import SwiGlu, hidden_dim


class StructureSystem(nn.Cell):
    """(statements (B, S, D), is_statement (B, S), kinds (B, S) int32, edges (B, E, 3) int32, state) -> (y (B, S, D), state).

    is_statement is 1, and 0 for the padding at a row's end, where y means nothing; kinds are those of the nodes, 0 for padding.
    An edge is (source, target, kind): nodes are counted from the text's first one, across segments; its target is a node of
    this segment. S and E are at least 1. Ignored are edges with target -1, the padding, and whatever is no edge into this
    segment; with `is_causal` also edges whose source is not before their target, so that no caller can leak what comes
    later. Without it a whole graph comes in one call.

    The state is (memory (B, L, M, D), count (B,) int32): the nodes so far at the input of each layer, and how many there are;
    `begin` makes that of texts that begin. In a call from outside a graph wrap it as `mindspore.mutable(state)`: the Tensors
    of a plain tuple are constants to the compiler, which then compiles at every call. Texts with more than `max_nodes` nodes
    are for the caller to refuse: nodes beyond are not remembered, and edges from them are ignored.
    """

    def __init__(
        self,
        dim: int,
        num_layers: int,
        num_heads: int,
        max_nodes: int,
        num_node_kinds: int,
        num_edge_kinds: int,
        rng: np.random.Generator,
        is_causal: bool = True,
    ):
        super().__init__()
        numbers = {"width": dim, "layers": num_layers, "nodes": max_nodes, "kinds of nodes": num_node_kinds}
        for name, number in numbers.items():
            if number < 1:
                raise ValueError(f"{name} of the structure system: expected at least 1, got {number}")
        self.dim, self.num_layers, self.max_nodes, self.is_causal = dim, num_layers, max_nodes, is_causal
        self.kind_CD = table(rng, (num_node_kinds, dim), std=1.0)
        self.layers = nn.CellList([StructureLayer(dim, num_heads, num_edge_kinds, rng) for _ in range(num_layers)])
        self.norm = RmsNorm(dim)

    def construct(self, statements_BSD, is_statement_BS, kinds_BS, edges_BE3, state):
        memory_BLMD, before_B = state
        after_B = before_B + is_statement_BS.sum(1).astype(mstype.int32)
        num_places = kinds_BS.shape[1]
        origins_P = self.origins(before_B, after_B, num_places)
        edges = self.edges(edges_BE3, before_B, after_B, num_places)
        x_BSD = statements_BSD + ops.gather(self.kind_CD, kinds_BS, 0)
        x_ND, memories = x_BSD.reshape(-1, self.dim), ()
        for number in range(self.num_layers):
            known = ops.concat((memory_BLMD[:, number], x_ND.reshape(x_BSD.shape)), 1)
            memory_PD = ops.gather(known.reshape(-1, self.dim), origins_P, 0)
            memories += (memory_PD.reshape(-1, self.max_nodes, self.dim),)
            x_ND = self.layers[number](x_ND, memory_PD, *edges)
        return self.norm(x_ND).reshape(x_BSD.shape), (ops.stack(memories, 1), after_B)

    def origins(self, before_B, after_B, num_places):
        """(P,): the rows that the memory takes over from itself and the new nodes, which stand behind it, text by text."""
        before_B1, after_B1 = before_B.expand_dims(1), after_B.expand_dims(1)
        node_1M = ops.arange(self.max_nodes).astype(mstype.int32).expand_dims(0)
        is_new_BM = ops.logical_and(node_1M >= before_B1, node_1M < after_B1).astype(mstype.int32)
        places_BM = node_1M + is_new_BM * (self.max_nodes - before_B1)
        return (places_BM + starts(before_B.shape[0], self.max_nodes + num_places)).reshape(-1)

    def edges(self, edges_BE3, before_B, after_B, num_places):
        """Sources (A,) among the kept nodes, targets (A,) among the new ones, kinds (A,); ignored edges have target N."""
        source_BE, target_BE, kind_BE = ops.unbind(edges_BE3, 2)
        before_B1, after_B1 = before_B.expand_dims(1), after_B.expand_dims(1)
        into_segment_BE = ops.logical_and(target_BE >= before_B1, target_BE < after_B1)
        is_kept_BE = ops.logical_and(source_BE >= 0, source_BE < self.max_nodes)
        is_known_BE = source_BE < (target_BE if self.is_causal else after_B1)
        is_edge_BE = ops.logical_and(ops.logical_and(into_segment_BE, is_kept_BE), is_known_BE).astype(mstype.int32)
        num_texts = before_B.shape[0]
        source_BE = source_BE * is_edge_BE + starts(num_texts, self.max_nodes)
        target_BE = target_BE - before_B1 + starts(num_texts, num_places)
        target_BE = target_BE * is_edge_BE + num_texts * num_places * (1 - is_edge_BE)
        return source_BE.reshape(-1), target_BE.reshape(-1), (kind_BE * is_edge_BE).reshape(-1)

    def begin(self, num_rows: int) -> tuple:
        """The state of `num_rows` texts before their first node."""
        memory = ops.zeros((num_rows, self.num_layers, self.max_nodes, self.dim))
        return memory, ops.zeros((num_rows,), mstype.int32)

    def flops(self, num_statements: int, num_edges: int) -> int:
        """Floating-point operations (two a multiply-add) of the forward pass for one text; of padding as of the rest."""
        return 2 * sum(layer.products(num_statements, num_edges) for layer in self.layers)


class StructureLayer(nn.Cell):
    """(x (N, D), memory (P, D), sources (A,), targets (A,), kinds (A,)) -> (N, D)."""

    def __init__(self, dim: int, num_heads: int, num_edge_kinds: int, rng: np.random.Generator):
        super().__init__()
        self.before_attention, self.before_feed_forward = RmsNorm(dim), RmsNorm(dim)
        self.attention = GraphAttention(dim, num_heads, num_edge_kinds, rng)
        self.feed_forward = SwiGlu(dim, hidden_dim(dim), rng)

    def construct(self, x_ND, memory_PD, sources_A, targets_A, kinds_A):
        sources_AD = self.before_attention(ops.gather(memory_PD, sources_A, 0))
        x_ND = x_ND + self.attention(self.before_attention(x_ND), sources_AD, targets_A, kinds_A)
        return x_ND + self.feed_forward(self.before_feed_forward(x_ND))

    def products(self, num_nodes: int, num_edges: int) -> int:
        """Multiply-adds of the forward pass."""
        return self.attention.products(num_nodes, num_edges) + num_nodes * 3 * self.feed_forward.gate_DH.size


def starts(num_texts: int, length: int):
    """(B, 1) int32: where each text begins if all are side by side."""
    return (ops.arange(num_texts).astype(mstype.int32) * length).expand_dims(1)
