"""Graph attention against loops over nodes and edges, outputs and gradients."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from graph_reference import attention, slope, weights_of
from mindspore import Tensor, nn

from sfm_ms.nn.graph_attention import GraphAttention, segment_softmax

DIM, NUM_HEADS, NUM_NODES, NUM_EDGES, NUM_KINDS = 12, 3, 6, 17, 3


@pytest.fixture(scope="module")
def layer():
    return GraphAttention(DIM, NUM_HEADS, NUM_KINDS, np.random.default_rng(0))


def drawn(seed=1):
    """x, sources, targets and kinds; two nodes have no edges, and two edges are padding."""
    rng = np.random.default_rng(seed)
    targets = rng.choice([0, 1, 3, 4], NUM_EDGES)
    targets[[2, 9]] = NUM_NODES
    vectors = (rng.normal(size=(num, DIM)).astype(np.float32) for num in (NUM_NODES, NUM_EDGES))
    return *vectors, targets.astype(np.int32), rng.integers(0, NUM_KINDS, NUM_EDGES).astype(np.int32)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_what_loops_over_nodes_and_edges_give(layer, seed):
    arrays = drawn(seed)
    y = layer(*map(Tensor, arrays)).asnumpy()
    assert np.allclose(y, attention(weights_of(layer), NUM_HEADS, *arrays), atol=2e-5)
    assert (y[[2, 5]] == 0).all() and (y[[0, 1, 3, 4]] != 0).all()


def test_without_any_edge_all_nodes_get_zeros(layer):
    x, sources, targets, kinds = drawn()
    assert (layer(*map(Tensor, (x, sources, np.full_like(targets, NUM_NODES), kinds))).asnumpy() == 0).all()


def test_weights_sum_to_one_however_far_the_scores_are_apart():
    class Softmax(nn.Cell):
        def construct(self, scores, segments):
            return segment_softmax(scores, segments, 4)

    scores = np.array([[1e4], [1e4], [-1e4], [-1e4], [-2e4], [3.0]], np.float32)
    weights = Softmax()(Tensor(scores), Tensor(np.array([0, 0, 0, 1, 1, 3], np.int32))).asnumpy()
    assert np.allclose(weights[:, 0], [0.5, 0.5, 0, 1, 0, 1])


class Loss(nn.Cell):
    def __init__(self, layer, weights_ND):
        super().__init__()
        self.layer, self.weights_ND = layer, Tensor(weights_ND)

    def construct(self, x, sources, targets, kinds):
        return (self.layer(x, sources, targets, kinds) * self.weights_ND).sum()


def test_gradients_are_those_of_the_loops_also_at_later_calls_with_other_edges(layer):
    rng, parameters = np.random.default_rng(4), layer.trainable_params()
    loss_ND = rng.normal(size=(NUM_NODES, DIM)).astype(np.float32)
    weights = weights_of(layer)
    gradients_of = ms.grad(Loss(layer, loss_ND), (0, 1), parameters)
    for seed in (1, 2, 1):
        x, sources, targets, kinds = drawn(seed)
        of_inputs, of_parameters = gradients_of(*map(Tensor, (x, sources, targets, kinds)))
        arrays = {"x": x.astype(np.float64), "sources": sources.astype(np.float64), **weights}

        def loss(arrays, edges=(targets, kinds)):
            return (attention(arrays, NUM_HEADS, arrays["x"], arrays["sources"], *edges) * loss_ND).sum()

        for name, gradient in zip(arrays, (*of_inputs, *of_parameters), strict=True):
            direction = rng.normal(size=gradient.shape)
            assert (gradient.asnumpy() * direction).sum() == pytest.approx(slope(loss, arrays, name, direction), abs=2e-4), name
    assert (of_inputs[1].asnumpy()[[2, 9]] == 0).all()  # padding


@pytest.mark.parametrize(
    ("num_heads", "num_kinds", "message"),
    [
        (5, 3, "heads of graph attention: expected a divisor of the width 12, got 5"),
        (0, 3, "heads of graph attention: expected a divisor of the width 12, got 0"),
        (3, 0, "kinds of edges of graph attention: expected at least 1, got 0"),
    ],
)
def test_what_it_cannot_be_built_with_is_refused(num_heads, num_kinds, message):
    with pytest.raises(ValueError, match=message):
        GraphAttention(DIM, num_heads, num_kinds, np.random.default_rng(0))
