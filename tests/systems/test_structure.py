"""The structure system: equal to loops over nodes and edges, in pieces, causal, with padding, rows apart, all gradients."""

from __future__ import annotations

from typing import NamedTuple

import mindspore as ms
import numpy as np
import pytest
from graph_reference import slope, structure, weights_of
from mindspore import Tensor, nn

from sfm_ms.nn.swiglu import hidden_dim
from sfm_ms.systems.structure import StructureSystem

DIM, NUM_LAYERS, NUM_HEADS, MAX_NODES, NUM_NODE_KINDS, NUM_EDGE_KINDS = 16, 2, 2, 12, 5, 4
NUM_EDGES = 40  # places


class Text(NamedTuple):
    statements: np.ndarray  # (n, D)
    kinds: np.ndarray  # (n,)
    edges: list  # of (source, target, kind)


def system_with(is_causal=True, max_nodes=MAX_NODES):
    kinds = (NUM_NODE_KINDS, NUM_EDGE_KINDS)
    return StructureSystem(DIM, NUM_LAYERS, NUM_HEADS, max_nodes, *kinds, np.random.default_rng(0), is_causal)


@pytest.fixture(scope="module")
def system():
    return system_with()


def drawn(*num_nodes, num_edges=18, seed=1):
    """Texts with edges in both directions, also from a node to itself, and two of different kinds between the same nodes."""
    rng = np.random.default_rng(seed)
    texts = []
    for number in num_nodes:
        ends = rng.integers(0, number, (num_edges, 2))
        edges = [(int(a), int(b), i % NUM_EDGE_KINDS) for i, (a, b) in enumerate(ends)] + [(0, number - 1, 0), (0, number - 1, 1)]
        statements = rng.normal(size=(number, DIM)).astype(np.float32)
        texts.append(Text(statements, rng.integers(0, NUM_NODE_KINDS, number), edges))
    return texts


def segment(texts, firsts, lasts, num_places, num_edges=NUM_EDGES):
    """The system's inputs for the nodes firsts[i]..lasts[i] - 1 of text i, padded with what would be seen if it counted."""
    shape = (len(texts), num_places)
    statements, kinds = np.full((*shape, DIM), 7.0, np.float32), np.zeros(shape, np.int32)
    is_statement, edges = np.zeros(shape, np.float32), np.zeros((len(texts), num_edges, 3), np.int32)
    edges[:, :, 1] = -1
    for i, (text, first, last) in enumerate(zip(texts, firsts, lasts, strict=True)):
        here = [edge for edge in text.edges if first <= edge[1] < last]
        edges[i, : len(here)] = np.array(here, np.int32).reshape(-1, 3)
        statements[i, : last - first], kinds[i, : last - first] = text.statements[first:last], text.kinds[first:last]
        is_statement[i, : last - first] = 1
    return statements, is_statement, kinds, edges


def run(system, texts, cuts=(), num_places=MAX_NODES, num_edges=NUM_EDGES):
    """y of every text, and the state after it, in as many segments as `cuts` (one list for all texts) make."""
    state, ys = system.begin(len(texts)), [[] for _ in texts]
    for first, last in zip((0, *cuts), (*cuts, None), strict=True):
        firsts, lasts = ([len(t.kinds) if at is None else min(at, len(t.kinds)) for t in texts] for at in (first, last))
        y, state = system(*map(Tensor, segment(texts, firsts, lasts, num_places, num_edges)), ms.mutable(state))
        for i, number in enumerate(np.subtract(lasts, firsts)):
            ys[i].append(y.asnumpy()[i, :number])
    return [np.concatenate(y) for y in ys], [part.asnumpy() for part in state]


def expected(system, text, is_causal=True):
    memory = np.zeros((NUM_LAYERS, MAX_NODES, DIM))
    return structure(weights_of(system), NUM_LAYERS, NUM_HEADS, *text, memory, 0, is_causal)


@pytest.mark.parametrize("is_causal", [True, False])
def test_it_is_what_loops_over_nodes_and_edges_give(is_causal):
    system, texts = system_with(is_causal), drawn(11, 1, 12)
    ys, (memory, count) = run(system, texts)
    assert np.array_equal(count, [11, 1, 12]) and count.dtype == np.int32
    for y, kept, text in zip(ys, memory, texts, strict=True):
        expected_y, expected_memory = expected(system, text, is_causal)
        assert np.allclose(y, expected_y, atol=2e-5)
        assert np.allclose(kept, expected_memory, atol=2e-5)


@pytest.mark.parametrize(
    ("cuts", "num_places"), [(range(1, 12), 1), ((4, 5, 8), 4), ((4, 4, 5, 8, 11), 4)], ids=["one by one", "pieces", "empty"]
)
def test_pieces_give_what_the_whole_gives(system, cuts, num_places):
    texts = drawn(12, 9, 3)
    whole, after = run(system, texts)
    pieces, state = run(system, texts, cuts, num_places)
    assert all(np.allclose(a, b, atol=2e-5) for a, b in zip((*whole, *after), (*pieces, *state), strict=True))


def test_what_comes_later_and_other_rows_change_nothing(system):
    texts = drawn(12, 10)
    (before, other), _ = run(system, texts)
    changed = Text(texts[0].statements.copy(), texts[0].kinds.copy(), [(a, b, (c + (b >= 7)) % 4) for a, b, c in texts[0].edges])
    changed.statements[7:] += 1
    changed.kinds[7:] = 4 - changed.kinds[7:]
    (after, same), _ = run(system, [changed, texts[1]])
    assert np.array_equal(other, same) and np.allclose(before[:7], after[:7], atol=1e-6)
    assert (np.abs(before[7:] - after[7:]).max(-1) > 1e-3).all()


def test_an_edge_counts_only_if_its_source_is_known_and_comes_before_its_target(system):
    (text,) = drawn(9)
    forward = [edge for edge in text.edges if edge[0] < edge[1]]
    assert len(forward) < len(text.edges)
    (y,), _ = run(system, [text._replace(edges=forward)])
    (same,), _ = run(system, [text])
    assert np.allclose(y, same, atol=1e-6)
    statements, is_statement, kinds, edges = segment([text], [0], [9], MAX_NODES)
    edges[0, 25:32] = [(0, 9, 0), (0, 10**9, 0), (10**9, 3, 0), (-1, 3, 0), (12, 3, 9), (3, -7, 0), (3, 3, 0)]
    same, _ = system(*map(Tensor, (statements, is_statement, kinds, edges)), ms.mutable(system.begin(1)))
    assert np.allclose(y, same.asnumpy()[0, :9], atol=1e-6)


def test_without_causality_an_earlier_node_reads_a_later_one():
    (text,) = drawn(9)
    system, text = system_with(is_causal=False), text._replace(edges=[(8, 2, 1)])
    (before,), _ = run(system, [text])
    text.statements[8] += 1
    (after,), _ = run(system, [text])
    has_changed = np.abs(before - after).max(-1) > 1e-3
    assert np.array_equal(np.flatnonzero(has_changed), [2, 8])


def test_padding_changes_nothing(system):
    texts = drawn(12, 6)
    (_, padded), (memory, _) = run(system, texts)
    (alone,), (its_memory, _) = run(system, texts[1:], num_places=6, num_edges=20)
    assert np.allclose(padded, alone, atol=1e-5) and np.allclose(memory[1], its_memory[0], atol=1e-5)


def test_a_row_without_edges_reads_nothing(system):
    texts = drawn(12, 6)
    texts[1] = texts[1]._replace(edges=[])
    (_, y), _ = run(system, texts)
    assert np.allclose(y, expected(system, texts[1])[0], atol=2e-5)


def test_nodes_beyond_what_is_kept_harm_neither_the_kept_ones_nor_other_rows():
    system, (long, short) = system_with(max_nodes=4), drawn(12, 4)
    edges = [(1, 3, 0), (1, 5, 0), (2, 11, 1)]
    beyond, without = ([long._replace(edges=edges + more), short] for more in ([(6, 11, 1)], []))
    first = [Text(long.statements[:4], long.kinds[:4], edges), short]
    results = [run(system, texts, (3, 7), num_places=5) for texts in (beyond, without, first)]
    (y, other), (memory, count) = results[0]
    for (same, same_other), (same_memory, _) in results[1:]:
        assert np.allclose(y[: len(same)], same, atol=1e-5) and np.allclose(other, same_other, atol=1e-5)
        assert np.allclose(memory, same_memory, atol=1e-5)
    assert np.array_equal(count, [12, 4])


class Loss(nn.Cell):
    """Of what comes out for two segments of one text, so that the first one's nodes are remembered with gradients, too."""

    def __init__(self, system, weights_SD):
        super().__init__()
        self.system, self.weights_SD = system, Tensor(weights_SD)

    def construct(self, memory, first, second, is_statement, kinds, edges, count):
        y, state = self.system(first, is_statement, kinds, edges, (memory, count))
        z, state = self.system(second, is_statement, kinds, edges, state)
        return ((y + 2 * z) * self.weights_SD).sum() + state[0].sum()


def expected_loss(weights, memory, first, second, kinds, edges, count, weights_SD):
    y, memory = structure(weights, NUM_LAYERS, NUM_HEADS, first, kinds, edges, memory, count)
    z, memory = structure(weights, NUM_LAYERS, NUM_HEADS, second, kinds, edges, memory, count + len(first))
    return ((y + 2 * z) * weights_SD).sum() + memory.sum()


def test_every_parameter_and_what_is_remembered_has_the_gradient_of_the_loops_at_every_call(system):
    rng, count, num_nodes = np.random.default_rng(3), 3, 4
    (text,) = drawn(11, num_edges=30)
    edges = [*text.edges, (1, 4, 2), (5, 9, 3), (0, 3, 1), (2, 10, 0)]
    kinds, first, second = text.kinds[3:7], text.statements[3:7], text.statements[7:]
    memory, weights_SD = rng.normal(size=(NUM_LAYERS, MAX_NODES, DIM)), rng.normal(size=(num_nodes, DIM)).astype(np.float32)
    weights, parameters = weights_of(system), system.trainable_params()
    is_statement, inputs = np.ones((1, num_nodes), np.float32), (memory, first, second)
    inputs = [Tensor(array[None].astype(np.float32)) for array in inputs]
    rest = (is_statement, kinds[None].astype(np.int32), np.array(edges, np.int32)[None], np.array([count], np.int32))
    gradients_of = ms.grad(Loss(system, weights_SD), (0, 1, 2), parameters)
    calls = [gradients_of(*inputs, *map(Tensor, rest)) for _ in range(2)]
    gradients, again = ([gradient.asnumpy() for gradient in (*of_inputs, *of_parameters)] for of_inputs, of_parameters in calls)

    arrays = {"memory": memory, "first": first.astype(np.float64), "second": second.astype(np.float64), **weights}

    def loss(arrays):
        inputs = (arrays[name] for name in ("memory", "first", "second"))
        return expected_loss(arrays, *inputs, kinds, edges, count, weights_SD)

    assert len(parameters) == len(weights) == 2 + NUM_LAYERS * 9
    for name, gradient, same in zip(arrays, gradients, again, strict=True):
        assert np.isfinite(gradient).all() and (gradient != 0).any() and np.array_equal(gradient, same), name
        direction = rng.normal(size=arrays[name].shape)
        by_difference = slope(loss, arrays, name, direction)
        assert (gradient.reshape(direction.shape) * direction).sum() == pytest.approx(by_difference, rel=2e-4, abs=5e-4), name
    of_memory = gradients[0][0]
    assert (of_memory[:, :3] != 0).any((0, 2)).all() and (of_memory[:, 3:11] == 0).all()  # those are written anew


def test_flops_are_two_for_each_multiply_add(system):
    hidden = hidden_dim(DIM)
    by_node, by_edge = DIM * DIM + DIM * DIM + 3 * DIM * hidden, 2 * DIM * DIM + 2 * DIM
    assert system.flops(5, 7) == 2 * NUM_LAYERS * (5 * by_node + 7 * by_edge)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0, 1, 1, 1, 1, 1), "width of the structure system: expected at least 1, got 0"),
        ((16, 0, 2, 8, 5, 4), "layers of the structure system: expected at least 1, got 0"),
        ((16, 1, 3, 8, 5, 4), "heads of graph attention: expected a divisor of the width 16, got 3"),
        ((16, 1, 2, 0, 5, 4), "nodes of the structure system: expected at least 1, got 0"),
        ((16, 1, 2, 8, 0, 4), "kinds of nodes of the structure system: expected at least 1, got 0"),
        ((16, 1, 2, 8, 5, -1), "kinds of edges of graph attention: expected at least 1, got -1"),
    ],
)
def test_what_it_cannot_be_built_with_is_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        StructureSystem(*numbers, np.random.default_rng(0))
