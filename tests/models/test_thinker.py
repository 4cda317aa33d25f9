"""Thinker: what a fresh one is, caches, packed rows, padding, rows apart, heads, gradients, its twin, sizes, what is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops
from safetensors.numpy import load_file

from sfm_ms.convert import load_qwen2
from sfm_ms.models.qwen2 import Qwen2, Qwen2Config
from sfm_ms.models.thinker import Thinker, ThinkerConfig, doubts
from sfm_ms.nn.cost import num_parameters

GOLDEN = Path(__file__).parent / "golden" / "tied"
BASE = Qwen2Config(vocabulary=30, dim=32, feed_forward_dim=48, num_layers=2, num_heads=4, num_key_value_heads=2)
SMALL = ThinkerConfig(BASE, sfm_layers=(0, 1), sfm_dim=16, sfm_heads=2, judge_dim=8, surprise_dim=6)
NUM_TOKENS = 13


@pytest.fixture(scope="module")
def small():
    """Noise is added to all Parameters, gains too, so that the blocks are heard and turn some states over."""
    return Asked(shaken(SMALL))


def shaken(config):
    model, rng = Thinker(config, seed=0), np.random.default_rng(1)
    for parameter in model.get_parameters():
        parameter.set_data(Tensor((parameter.asnumpy() + rng.normal(size=parameter.shape) * 0.3).astype(np.float32)))
    for block in model.sfm:
        block.decay_bias_H.set_data(Tensor(np.array([-1.5, 2.5], np.float32)))
    return model


class Asked(nn.Cell):
    """-> logits, judge without doubts and surprise at every token, and the state after."""

    def __init__(self, model):
        super().__init__()
        self.model, self.begin = model, model.begin

    def construct(self, tokens, segments, places, *state):
        hidden, state = self.model.hidden(tokens, segments, state)
        judge = self.model.judge(hidden, ops.ones(tokens.shape), places, places)
        return (self.model.logits(hidden), judge, self.model.surprise(hidden, places), *state)


def tokens_of(num_rows, num_tokens=NUM_TOKENS, seed=0):
    return np.random.default_rng(seed).integers(0, BASE.vocabulary, (num_rows, num_tokens)).astype(np.int32)


def run(model, tokens, segments=None, state=(), places=None):
    """-> logits, judge and surprise beside each other, (B, T, Y + 2), and the state; the heads are asked at all places."""
    segments = np.zeros_like(tokens) if segments is None else np.array(segments, np.int32)
    places = np.arange(tokens.shape[1], dtype=np.int32)[None].repeat(len(tokens), 0) if places is None else places
    logits, judge, surprise, *state = model(*map(Tensor, (tokens, segments, places)), *state)
    return np.concatenate([logits.asnumpy(), *(part.asnumpy()[..., None] for part in (judge, surprise))], -1), state


def test_a_fresh_thinker_is_its_base_as_huggingface_has_it():
    golden, base = load_file(GOLDEN / "golden.safetensors"), load_qwen2(GOLDEN)
    tokens = Tensor(golden["tokens"])
    expected = base(tokens).asnumpy()
    model = Thinker(ThinkerConfig(base.config, sfm_layers=(1,), sfm_dim=16, sfm_heads=2), seed=0, base=base)
    logits = model(tokens).asnumpy()
    assert np.array_equal(logits, expected) and np.abs(logits - golden["logits"]).max() < 1e-4
    names = dict(model.parameters_and_names())
    assert all(parameter.name == name for name, parameter in names.items())
    assert names_of_base(model) == {f"base.{name}" for name, _ in Qwen2(base.config).parameters_and_names()}
    others = {name for name in names if name.startswith(("sfm.0.", "judge_head.", "surprise_head."))}
    assert {parameter.name for parameter in model.sfm_parameters()} == others == names.keys() - names_of_base(model)


def test_so_is_its_twin():
    tokens, base = Tensor(tokens_of(2)), Qwen2(BASE, np.random.default_rng(0))
    expected, twin = base(tokens).asnumpy(), Thinker(twin_of(SMALL), seed=0, base=base)
    state = twin.begin(2, NUM_TOKENS)
    logits, *after = twin(tokens, None, *state)
    assert len(after) == len(state) == len(base.begin(2, NUM_TOKENS))
    largest = np.abs(expected).max()  # of logits that begin around 1, and 1e-6 of which float32 cannot tell
    assert np.abs(logits.asnumpy() - expected).max() < 1e-6 * largest and largest > 1
    for block in twin.sfm:
        block.gain_D.set_data(Tensor(np.ones(BASE.dim, np.float32)))
    assert np.abs(twin(tokens, None, *state)[0].asnumpy() - expected).max() > 0.1


def twin_of(config):
    return ThinkerConfig(**{**vars(config), "mixer": "feed_forward"})


def names_of_base(model):
    return {parameter.name for parameter in model.base_parameters()}


def test_decoding_with_the_state_is_the_whole_forward(small):
    tokens, segments = tokens_of(2), np.array([[0] * NUM_TOKENS, [1] * 3 + [0] * 6 + [2] * 4])
    expected, _ = run(small, tokens, segments)
    state, found = small.begin(2, NUM_TOKENS), []
    for first, last in pairwise([0, 6, *range(7, NUM_TOKENS + 1)]):
        out, state = run(small, tokens[:, first:last], segments[:, first:last], state)
        found.append(out)
    assert np.abs(np.concatenate(found, 1) - expected).max() < 5e-5
    assert [part.shape for part in state] == [part.shape for part in small.begin(2, NUM_TOKENS)]
    assert all(np.abs(part.asnumpy()).max() > 0.1 for part in state[-2:])


@pytest.mark.parametrize("cut", [1, 6, 10])
def test_nothing_sees_what_comes_later_or_another_row(small, cut):
    tokens = tokens_of(2)
    before, _ = run(small, tokens)
    tokens[0, cut:] = (tokens[0, cut:] + 7) % BASE.vocabulary
    after, _ = run(small, tokens)
    assert np.array_equal(before[1], after[1]) and np.abs(before[0, :cut] - after[0, :cut]).max() < 2e-6
    changes = np.abs(before[0, cut:] - after[0, cut:])
    assert changes.max(-1).min() > 1e-2 and changes[:, -2].min() > 1e-6


def test_doubts_are_of_what_is_told_up_to_the_judgement():
    nll = np.random.default_rng(0).exponential(size=(2, 7)).astype(np.float32)
    firsts, lasts = np.array([[0, 2, 4], [6, 3, 0]], np.int32), np.array([[2, 5, 4], [7, 4, 0]], np.int32)
    found = doubts(*map(Tensor, (nll, firsts, lasts))).asnumpy()
    for row, pairs in enumerate(zip(firsts, lasts, strict=True)):
        for place, (first, last) in enumerate(zip(*pairs, strict=True)):
            told = nll[row, first:last]
            assert np.allclose(found[row, place], np.log1p([told.sum(), told.max(initial=0)]), atol=1e-6)


def test_the_judge_hears_doubts_and_they_learn_nothing_from_it(small):
    model, rng = small.model, np.random.default_rng(4)
    hidden, nll = rng.normal(size=(2, 9, BASE.dim)).astype(np.float32), rng.exponential(size=(2, 9)).astype(np.float32)
    firsts, lasts = (np.full((2, 1), place, np.int32) for place in (3, 7))

    def judged(nll):
        return model.judge(*map(Tensor, (hidden, nll, firsts, lasts))).asnumpy()

    before, other = judged(nll), nll.copy()
    other[:, [0, 2, 7, 8]] += 5
    assert np.array_equal(judged(other), before)
    other[:, 6] += 5
    assert np.abs(judged(other) - before).min() > 1e-3
    of_hidden, of_nll = ms.grad(Judgement(model), (0, 1))(*map(Tensor, (hidden, nll, firsts, lasts)))
    assert np.abs(of_hidden.asnumpy()[:, 7]).min() > 0 and (of_nll.asnumpy() == 0).all()


class Judgement(nn.Cell):
    def __init__(self, model):
        super().__init__(auto_prefix=False)
        self.model = model

    def construct(self, hidden, nll, firsts, lasts):
        return self.model.judge(hidden, nll, firsts, lasts).sum()


def test_the_judge_is_asked_before_the_token_that_tells(small):
    tokens, told = tokens_of(2), 9
    everywhere, places = run(small, tokens)[0], np.random.default_rng(3).integers(0, NUM_TOKENS, tokens.shape).astype(np.int32)
    places[:, 0] = told - 1
    asked = run(small, tokens, places=places)[0][..., -2:]
    assert np.abs(asked - np.take_along_axis(everywhere[..., -2:], places[..., None], 1)).max() < 1e-6
    for place, is_seen in ((told, False), (told - 1, True), (0, True)):
        other = tokens.copy()
        other[:, place] = (other[:, place] + 7) % BASE.vocabulary
        changes = np.abs(run(small, other, places=places)[0][:, 0, -2:] - asked[:, 0])
        assert (changes > 1e-4).all() if is_seen else (changes < 1e-6).all()


def test_texts_that_share_a_row_are_as_if_alone(small):
    tokens, segments = tokens_of(2), np.repeat([4, 0, 7], (5, 3, 5))[None].repeat(2, 0)
    packed, _ = run(small, tokens, segments)
    for its in (slice(0, 5), slice(8, 13)):
        alone, _ = run(small, tokens[:, its])
        assert np.abs(packed[:, its] - alone).max() < 5e-5
    tokens[0, :8] = (tokens[0, :8] + 7) % BASE.vocabulary
    other, _ = run(small, tokens, segments)
    assert np.array_equal(other[:, 8:], packed[:, 8:]) and np.abs(other[0, :8] - packed[0, :8]).max(-1).min() > 1e-2
    together, _ = run(small, tokens)
    assert np.abs(together[:, 8:] - other[:, 8:]).max(-1).min() > 1e-2


def test_padding_changes_nothing(small):
    tokens, is_text = tokens_of(2), np.zeros((2, NUM_TOKENS), bool)
    is_text[0, :5] = is_text[1, -5:] = True
    padded, _ = run(small, tokens, ~is_text)
    alone, _ = run(small, tokens[is_text].reshape(2, 5))
    assert np.abs(padded[is_text].reshape(alone.shape) - alone).max() < 5e-5


class Loss(nn.Cell):
    """Logits and states, judge, and surprise, each times a weight."""

    def __init__(self, model, state):
        super().__init__()
        self.model, self.state = model, state

    def construct(self, tokens, segments, places, weights):
        logits, judge, surprise, *state = self.model(tokens, segments, places, *self.state)
        told = (logits**2).mean()
        for part in state[-2:]:
            told = told + (part**2).mean()
        return weights[0] * told + weights[1] * judge.sum() + weights[2] * surprise.sum()


def test_every_parameter_has_a_gradient_and_the_model_none_of_surprise(small):
    names, parameters = zip(*small.model.parameters_and_names(), strict=True)
    segments = np.repeat([[0, 1]], 7, 1)[:, :NUM_TOKENS].repeat(2, 0).astype(np.int32)
    gradients_of = ms.grad(Loss(small, small.begin(2, NUM_TOKENS)), None, ms.ParameterTuple(parameters))
    places = np.array([[4, 12], [6, 9]], np.int32)

    def sizes(*weights):
        arrays = (tokens_of(2), segments, places, np.array(weights, np.float32))
        gradients = [gradient.asnumpy() for gradient in gradients_of(*map(Tensor, arrays))]
        assert all(np.isfinite(gradient).all() for gradient in gradients)
        return {name: np.abs(gradient).max() for name, gradient in zip(names, gradients, strict=True)}

    # A bias of the keys adds the same to all the scores of a query but for the rotation: small, not 0.
    assert {name for name, size in sizes(1, 1, 1).items() if size == 0} == set()
    assert all((size > 0) == name.startswith("surprise_head") for name, size in sizes(0, 0, 1).items())
    of_judge = sizes(0, 1, 0)
    assert all(size > 0 for name, size in of_judge.items() if not name.startswith("surprise_head"))
    assert all(size == 0 for name, size in of_judge.items() if name.startswith("surprise_head"))


def test_float16_computes_nearly_the_same(small):
    half = shaken(ThinkerConfig(**{**vars(SMALL), "base": Qwen2Config(**{**vars(BASE), "dtype": "float16"})}))
    expected = run(small, tokens_of(2))[0][..., :-2]
    difference = np.abs(half(Tensor(tokens_of(2))).asnumpy() - expected).max()
    assert 1e-5 < difference < 0.01 * np.abs(expected).max()


def test_the_twin_has_as_many_parameters_and_costs_are_told_by_part():
    for config, tolerance in ((SMALL, 0.03), (ThinkerConfig(BASE, (1,), 256, 16), 1e-3)):
        sizes = [num_parameters(Thinker(one, seed=0).sfm) for one in (config, twin_of(config))]
        assert abs(sizes[0] - sizes[1]) < tolerance * sizes[0]
    model = Thinker(SMALL, seed=0)
    one, two = model.costs(1), model.costs(2)
    assert sum(part.parameters for part in one.values()) == sum(p.size for p in model.get_parameters())
    of_layer = 32 * (32 + 2 * 16 + 32) + 3 * 32 * 48
    assert one["base"].flops == 2 * (2 * (of_layer + 2 * 32) + 30 * 32)
    assert two["base"].flops == 2 * one["base"].flops + 2 * 2 * 2 * 2 * 32
    assert one["sfm"].flops == 2 * 2 * (2 * 32 * 16 + 16 * 64 + 2 * 16 * 2 + 4 * 3 * 16 + 3 * 2 * 8 * 8)
    assert one["sfm"].parameters == 2 * (2 * 32 * 16 + 16 * 64 + 2 * 16 * 2 + 4 * 3 * 16 + 2 * 2 + 32)
    assert one["heads"] == two["heads"] == (32 * 14 + 14 + 14 + 2 + 2 * 8, 2 * (32 * 14 + 14 + 2 * 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sfm_layers": (0, 2)}, "sfm_layers: expected layers from 0 to 1, got 2"),
        ({"sfm_layers": (-1,)}, "sfm_layers: expected layers from 0 to 1, got -1"),
        ({"sfm_layers": (1, 1)}, "sfm_layers: expected rising numbers, got 1, 1"),
        ({"sfm_heads": 3}, "sfm_heads: expected a divisor of sfm_dim = 16, got 3"),
        ({"sfm_heads": 0}, "sfm_heads: expected at least 1, got 0"),
        ({"mixer": "delt"}, "mixer: expected delta or feed_forward, got 'delt'; did you mean delta?"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ThinkerConfig(**{**vars(SMALL), **changes})


def test_a_base_of_other_sizes_is_refused():
    with pytest.raises(ValueError, match=r"base: expected a model of Qwen2Config.*, got one of Qwen2Config"):
        Thinker(SMALL, seed=0, base=Qwen2(Qwen2Config(**{**vars(BASE), "num_layers": 4})))
