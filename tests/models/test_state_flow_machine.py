"""The State-Flow Machine and its rival: pieces, causality, padding, rows apart, gradients, what a fresh model is."""

from __future__ import annotations

from itertools import pairwise

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.data.input_shape import TextShape
from sfm_ms.data.last_uses import NEVER, LastUses
from sfm_ms.data.operands import OUTSIDE
from sfm_ms.models.state_flow_machine import StateFlowMachine, less_certain
from sfm_ms.models.text_transformer import TextTransformer
from sfm_ms.recipe.schema import StateFlowMachineModel, TextTransformerModel

VOCABULARY, NUM_TOKENS, NUM_STATEMENTS, NUM_EDGES = 40, 21, 6, 10
SHAPE = TextShape(VOCABULARY)
SMALL = {"dim": 16, "num_layers": 2, "num_heads": 2, "shared_dim": 16, "num_slots": 5, "slot_dim": 16, "max_nodes": 20}
CONFIG = StateFlowMachineModel(**SMALL, structure_heads=2, meta_heads=2, num_hypotheses=2, stack_depth=2)
ENDS = (3, 4, 9, 15, 18)  # tokens that complete a statement
COMMENT = slice(5, 7)
SYSTEMS = ("structure", "execution", "meta")


def machine(**changes):
    """With gains other than 0, so that the other systems are heard."""
    model = StateFlowMachine(StateFlowMachineModel(**{**vars(CONFIG), **changes}), SHAPE, seed=1)
    rng = np.random.default_rng(2)
    for exchange in model.exchanges:
        exchange.bridge.gain_D.set_data(Tensor(rng.normal(size=16).astype(np.float32)))
    if model.last_use is not None:
        model.last_use.gain_D.set_data(Tensor(rng.normal(size=16).astype(np.float32)))
    return Judged(model)


@pytest.fixture(scope="module")
def small():
    """With a single exchange, to be compiled fast."""
    return machine()


@pytest.fixture(scope="module")
def deep():
    return machine(num_layers=4)


def inputs(num_rows=2):
    """Random tokens; every statement is tied to all before it."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, VOCABULARY, (num_rows, NUM_TOKENS)).astype(np.int32)
    is_end = np.isin(np.arange(NUM_TOKENS), ENDS).astype(np.float32)[None].repeat(num_rows, 0)
    kinds = rng.integers(1, SHAPE.num_statement_kinds, (num_rows, NUM_STATEMENTS)).astype(np.int32)
    edges = np.array([(a, b, (a + b) % SHAPE.num_edge_kinds) for b in range(len(ENDS)) for a in range(b)], np.int32)
    operand = rng.integers(0, SHAPE.num_operands + 1, tokens.shape).astype(np.int32)
    operand[:, COMMENT] = OUTSIDE
    return [tokens, operand, recalled(tokens), np.ones_like(is_end), is_end, kinds, edges[None].repeat(num_rows, 0)]


def recalled(tokens):
    return np.array([[*map(LastUses().feed, row)] for row in tokens.tolist()], np.int32)


class Judged(nn.Cell):
    """A model, and what it thinks of a token: its verdict and, where there is one, the second opinion."""

    def __init__(self, model):
        super().__init__()
        self.model, self.begin = model, model.begin

    def construct(self, tokens, operand, recalled, is_token, is_end, kinds, edges, *state):
        logits, hidden, ticks, *state = self.model(tokens, operand, recalled, is_token, is_end, kinds, edges, *state)
        thoughts = self.model.verdict(hidden, logits, ops.ones_like(tokens)).expand_dims(2)
        if self.model.has_opinion:
            thoughts = ops.concat((thoughts, self.model.second_opinion(hidden)), 2)
        return (logits, thoughts, ticks, *state)


def run(model, arrays, state=None):
    """-> logits, verdict, state."""
    logits, verdict, _, *state = model(*map(Tensor, arrays), *(model.begin(len(arrays[0])) if state is None else state))
    return logits.asnumpy(), verdict.asnumpy(), state


def piece(arrays, first, last):
    """Tokens first to last - 1, the statements that they complete, and the edges to these."""
    tokens, operand, recalled, is_token, is_end, kinds, edges = arrays
    statements = [s for s, end in enumerate(ENDS) if first <= end < last]
    its_kinds, its_edges = np.zeros_like(kinds), np.full_like(edges, -1)
    its_kinds[:, : len(statements)] = kinds[:, statements]
    mine = edges[:, np.isin(edges[0, :, 1], statements)]
    its_edges[:, : mine.shape[1]] = mine
    return [array[:, first:last] for array in (tokens, operand, recalled, is_token, is_end)] + [its_kinds, its_edges]


def test_pieces_and_single_tokens_give_what_the_whole_gives(deep):
    arrays = inputs()
    logits, verdict, after = run(deep, arrays)
    cuts = [0, 8, *range(9, 14), NUM_TOKENS]
    state, found = None, []
    for first, last in pairwise(cuts):
        *out, state = run(deep, piece(arrays, first, last), state)
        found.append(out)
    for i, expected in enumerate((logits, verdict)):
        assert np.allclose(np.concatenate([out[i] for out in found], 1), expected, atol=2e-4)
    for a, b in zip(state, after, strict=True):
        assert np.allclose(a.asnumpy(), b.asnumpy(), atol=2e-4)


@pytest.mark.parametrize("cut", [3, 10, 16])
def test_nothing_sees_what_comes_later_or_another_row(small, cut):
    arrays = inputs()
    before, verdict_before, _ = run(small, arrays)
    changed = [array.copy() for array in arrays]
    tokens, operand, its_recalled, _, is_end, kinds, edges = changed
    rng = np.random.default_rng(5)
    operand[0, cut:] = rng.integers(OUTSIDE, SHAPE.num_operands + 1, NUM_TOKENS - cut)
    tokens[0, cut:] = rng.integers(1, VOCABULARY, NUM_TOKENS - cut)
    its_recalled[:] = recalled(tokens)
    is_end[0, cut:] = 0
    num_before = sum(end < cut for end in ENDS)
    kinds[0, num_before:] = 1
    edges[0, edges[0, :, 1] >= num_before] = -1
    after, verdict_after, _ = run(small, changed)
    assert np.allclose(before[1], after[1], atol=1e-6) and np.allclose(verdict_before[1], verdict_after[1], atol=1e-6)
    assert np.allclose(before[0, :cut], after[0, :cut], atol=1e-5)
    assert np.allclose(verdict_before[0, :cut], verdict_after[0, :cut], atol=1e-5)
    assert np.abs(before[0, cut:] - after[0, cut:]).max() > 1e-2


def test_padding_changes_nothing(small):
    arrays = inputs()
    short = 12
    alone, verdict_alone, its_after = run(small, [array[1:] for array in piece(arrays, 0, short)])
    padded = [array.copy() for array in arrays]
    for array, cut in zip(padded, piece(arrays, 0, short), strict=True):
        array[1, : cut.shape[1]] = cut[1]
    padded[0][1, short:] = 7
    padded[1][1, short:] = OUTSIDE
    padded[2][1, short:] = NEVER
    for array in padded[3:5]:
        array[1, short:] = 0
    logits, verdict, after = run(small, padded)
    assert np.allclose(logits[1, :short], alone[0], atol=1e-5) and np.allclose(verdict[1, :short], verdict_alone[0], atol=1e-5)
    for a, b in zip(after, its_after, strict=True):
        assert np.allclose(a.asnumpy()[1], b.asnumpy()[0], atol=1e-5)


def test_a_fresh_machine_is_its_perception():
    arrays = inputs()
    fresh = Judged(StateFlowMachine(CONFIG, SHAPE, seed=1))
    alone = Judged(StateFlowMachine(StateFlowMachineModel(**{**vars(CONFIG), **dict.fromkeys(SYSTEMS, False)}), SHAPE, seed=1))
    assert len(alone.begin(1)) < len(fresh.begin(1))
    assert np.array_equal(run(fresh, arrays)[0], run(alone, arrays)[0])


def test_doubt_is_the_sum_of_how_unsure_execution_is_of_its_results(small):
    _, thoughts, state = run(small, inputs())
    logits = thoughts[:, list(ENDS), 1:]  # the second opinion, where statements are complete
    most_likely = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).max(-1)
    assert np.allclose(state[-1].asnumpy()[:, 0], -np.log(most_likely).sum(1), rtol=1e-3)


class LessCertain(nn.Cell):
    def construct(self, logit, doubt):
        return less_certain(logit, doubt)


def test_a_verdict_is_right_if_all_before_is():
    logit, doubt = (grid.ravel().astype(np.float32) for grid in np.meshgrid([-20, -3, 0, 2, 20], [0, 1e-4, 0.5, 3, 60]))
    found = LessCertain()(Tensor(logit), Tensor(doubt)).asnumpy()
    chance = np.exp(-doubt.astype(np.float64)) / (1 + np.exp(-logit.astype(np.float64)))
    inside = chance < 1 - 1e-4
    assert np.allclose(found[inside], (np.log(chance) - np.log1p(-chance))[inside], rtol=2e-3, atol=2e-3)
    assert np.isfinite(found).all() and (found[~inside] > 9).all()


class Loss(nn.Cell):
    """Of all that comes out, the state included."""

    def __init__(self, model):
        super().__init__()
        self.model, self.state = model, model.begin(2)

    def construct(self, *arrays):
        total = 0
        for out in self.model(*arrays, *self.state):
            total = total + (out.astype(mstype.float32) ** 2).sum()
        return total


def test_every_parameter_has_a_gradient(deep):
    arrays, parameters = inputs(), list(deep.trainable_params())
    gradients_of = ms.grad(Loss(deep), None, ms.ParameterTuple(parameters))
    for gradients in [gradients_of(*map(Tensor, arrays)) for _ in range(2)]:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            assert np.isfinite(gradient.asnumpy()).all() and np.abs(gradient.asnumpy()).max() > 0, parameter.name


@pytest.mark.parametrize("left_out", SYSTEMS)
def test_each_system_can_be_left_out(left_out):
    arrays = inputs()
    model = machine(**{left_out: False})
    logits, thoughts, state = run(model, arrays)
    assert np.isfinite(logits).all() and len(state) == len(model.begin(1))
    assert (np.ptp(thoughts[..., 0]) > 0) == (left_out != "meta") and (thoughts.shape[2] > 1) == (left_out != "execution")
    assert not any(left_out in parameter.name for parameter in model.trainable_params())


def test_the_transformer_is_causal_and_its_rows_are_apart():
    model = Judged(TextTransformer(TextTransformerModel(dim=16, num_layers=2, num_heads=2), SHAPE, seed=1))
    arrays = inputs()
    before, _, _ = run(model, arrays)
    arrays[0][0, 10:] = 1
    after, _, _ = run(model, arrays)
    assert np.array_equal(before[1], after[1]) and np.allclose(before[0, :10], after[0, :10], atol=1e-5)
    assert np.abs(before[0, 10:] - after[0, 10:]).max() > 1e-2
