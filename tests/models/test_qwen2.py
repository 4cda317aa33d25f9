"""Qwen2.5 against logits that HuggingFace computed and against loops in float64; caches, segments, sizes, what is refused."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from gradients import SquaredLogits
from mindspore import Tensor
from safetensors.numpy import load_file

from sfm_ms.convert import load_qwen2
from sfm_ms.data.tensor_files import converted, stored_tensors
from sfm_ms.models.qwen2 import Qwen2, Qwen2Config

GOLDEN = Path(__file__).parent / "golden"
NAMES = ("tied", "untied")
SMALL = Qwen2Config(vocabulary=30, dim=24, feed_forward_dim=32, num_layers=2, num_heads=6, num_key_value_heads=2)


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    """A checkpoint that transformers wrote, and what it computed."""
    folder = GOLDEN / request.param
    return folder, load_qwen2(folder), load_file(folder / "golden.safetensors")


@pytest.fixture(scope="module")
def small():
    model = Qwen2(SMALL, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    for parameter in model.get_parameters():
        parameter.set_data(Tensor((parameter.asnumpy() + rng.normal(size=parameter.shape) * 0.3).astype(np.float32)))
    return model


def tokens_of(num_rows, num_tokens, seed=0):
    return np.random.default_rng(seed).integers(0, SMALL.vocabulary, (num_rows, num_tokens)).astype(np.int32)


def run(model, tokens, segments=None, state=()):
    """-> logits, state."""
    out = model(Tensor(tokens), None if segments is None else Tensor(segments.astype(np.int32)), *state)
    return (out[0].asnumpy(), out[1:]) if state else (out.asnumpy(), ())


def test_logits_are_those_of_huggingface(case):
    _, model, golden = case
    logits, _ = run(model, golden["tokens"])
    assert logits.dtype == np.float32 and np.abs(golden["logits"]).max() > 2
    assert np.abs(logits - golden["logits"]).max() < 1e-4


def test_logits_beside_padding_are_those_of_huggingface(case):
    _, model, golden = case
    is_token = golden["is_token"].astype(bool)
    assert not is_token[0, 0] and not is_token[1, -1]  # padded on the left, and on the right
    logits, _ = run(model, golden["tokens"], segments=~is_token)
    assert np.abs(logits - golden["masked_logits"])[is_token].max() < 1e-4


def test_logits_are_those_of_loops_in_float64(case):
    folder, model, golden = case
    tensors = {name: converted(tensor.read(), tensor.type, "F32") for name, tensor in stored_tensors(folder).items()}
    expected = looped(tensors, json.loads((folder / "config.json").read_text()), golden["tokens"][0])
    assert np.abs(run(model, golden["tokens"])[0][0] - expected).max() < 1e-4
    assert np.abs(golden["logits"][0] - expected).max() < 1e-4


def looped(tensors, config, tokens):
    """Logits (T, Y), head by head and key by key, from HuggingFace's names."""

    def get(name):
        return tensors[name].astype(np.float64)

    def normed(x, name):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + config["rms_norm_eps"]) * get(name)

    num_heads, dim = config["num_attention_heads"], config["hidden_size"] // config["num_attention_heads"]
    group = num_heads // config["num_key_value_heads"]
    turn = np.exp(1j * np.outer(np.arange(len(tokens)), config["rope_theta"] ** (-2 * np.arange(dim // 2) / dim)))
    x = get("model.embed_tokens.weight")[tokens]
    for n in range(config["num_hidden_layers"]):
        layer = f"model.layers.{n}."
        y = normed(x, layer + "input_layernorm.weight")
        q, k, v = (
            y @ get(f"{layer}self_attn.{part}_proj.weight").T + get(f"{layer}self_attn.{part}_proj.bias") for part in "qkv"
        )
        heads = []
        for head in range(num_heads):
            mine, shared = (slice(h * dim, (h + 1) * dim) for h in (head, head // group))
            its_q, its_k = ((part[:, : dim // 2] + 1j * part[:, dim // 2 :]) * turn for part in (q[:, mine], k[:, shared]))
            out = []
            for t in range(len(tokens)):
                scores = (its_q[t] * its_k[: t + 1].conj()).real.sum(-1) / dim**0.5
                weights = np.exp(scores - scores.max())
                out.append(weights @ v[: t + 1, shared] / weights.sum())
            heads.append(np.stack(out))
        x = x + np.concatenate(heads, -1) @ get(layer + "self_attn.o_proj.weight").T
        y = normed(x, layer + "post_attention_layernorm.weight")
        gate = y @ get(layer + "mlp.gate_proj.weight").T
        x = x + (gate / (1 + np.exp(-gate)) * (y @ get(layer + "mlp.up_proj.weight").T)) @ get(layer + "mlp.down_proj.weight").T
    head = "model.embed_tokens.weight" if config["tie_word_embeddings"] else "lm_head.weight"
    return normed(x, "model.norm.weight") @ get(head).T


def test_decoding_with_the_cache_is_the_whole_forward(small):
    tokens = tokens_of(2, 13)
    expected, _ = run(small, tokens)
    state, found = small.begin(2, 13), []
    for first, last in pairwise([0, 7, *range(8, 14)]):
        logits, state = run(small, tokens[:, first:last], state=state)
        found.append(logits)
    assert np.abs(np.concatenate(found, 1) - expected).max() < 2e-5
    assert int(state[0].asnumpy()) == 13 and len(state) == len(small.begin(2, 13))


def test_a_full_cache_forgets_the_oldest_tokens(small):
    tokens = tokens_of(1, 12)
    one_layer = Qwen2(Qwen2Config(**{**vars(SMALL), "num_layers": 1}), np.random.default_rng(0))
    state = one_layer.begin(1, 4)
    for t in range(12):
        logits, state = run(one_layer, tokens[:, t : t + 1], state=state)
    assert np.abs(logits[0, 0] - run(one_layer, tokens[:, -5:])[0][0, -1]).max() < 2e-5


@pytest.mark.parametrize("cut", [1, 6, 10])
def test_nothing_sees_what_comes_later_or_another_row(small, cut):
    tokens = tokens_of(2, 11)
    before, _ = run(small, tokens)
    tokens[0, cut:] = (tokens[0, cut:] + 7) % SMALL.vocabulary
    after, _ = run(small, tokens)
    assert np.array_equal(before[1], after[1]) and np.abs(before[0, :cut] - after[0, :cut]).max() < 1e-6
    assert np.abs(before[0, cut:] - after[0, cut:]).max(-1).min() > 1e-2


def test_padding_changes_nothing_also_of_what_is_decoded_after_it(small):
    tokens = tokens_of(2, 9)
    alone, _ = run(small, tokens[1:, 3:])
    segments = np.array([[0] * 9, [1] * 3 + [0] * 6])
    padded, _ = run(small, tokens, segments)
    assert np.abs(padded[1, 3:] - alone[0]).max() < 2e-5
    first, state = run(small, tokens[:, :8], segments[:, :8], small.begin(2, 16))
    last, _ = run(small, tokens[:, 8:], segments[:, 8:], state)
    assert np.abs(first[1, 3:] - alone[0, :-1]).max() < 2e-5 and np.abs(last[1, 0] - alone[0, -1]).max() < 2e-5


def test_texts_that_share_a_row_do_not_see_each_other(small):
    tokens, lengths = tokens_of(1, 12), (5, 4, 3)
    packed, _ = run(small, tokens, np.repeat(np.arange(3), lengths)[None])
    for first, last in pairwise([0, 5, 9, 12]):
        alone, _ = run(small, tokens[:, first:last])
        assert np.abs(packed[0, first:last] - alone[0]).max() < 2e-5


@pytest.mark.parametrize("is_tied", [True, False])
def test_every_parameter_has_a_gradient(is_tied):
    model = Qwen2(Qwen2Config(**{**vars(SMALL), "is_tied": is_tied}), np.random.default_rng(0))
    names, parameters = zip(*model.parameters_and_names(), strict=True)
    assert ("head_YD" in names) is not is_tied
    gradients = ms.grad(SquaredLogits(model), None, ms.ParameterTuple(parameters))(Tensor(tokens_of(2, 7)))
    for name, gradient in zip(names, gradients, strict=True):
        assert np.isfinite(gradient.asnumpy()).all(), name
        # A bias of the keys adds the same to all the scores of a query but for the rotation: small, not 0.
        assert np.abs(gradient.asnumpy()).max() > 0, name


@pytest.mark.parametrize("weights", ["float32", "float16"])
def test_float16_computes_nearly_the_same(case, weights):
    folder, _, golden = case
    model = load_qwen2(folder, dtype="float16", weights=weights)
    assert {str(p.dtype).lower() for p in model.get_parameters()} == {weights}
    logits, _ = run(model, golden["tokens"])
    assert logits.dtype == np.float32 and np.abs(logits - golden["logits"]).max() < 0.05


def test_what_cannot_run_on_a_cpu_is_refused():
    for change, message in (
        ({"dtype": "bfloat16"}, "dtype: bfloat16 needs Ascend from 910B on, this is CPU; expected float32 or float16"),
        ({"weights": "bfloat16"}, "weights: bfloat16 needs Ascend"),
        ({"attention": "flash"}, "attention: flash needs Ascend from 910B on, this is CPU; expected plain"),
    ):
        with pytest.raises(ValueError, match=message):
            Qwen2(Qwen2Config(**{**vars(SMALL), **change}))
    for change, message in (
        ({"dtype": "float64"}, "dtype: expected float32 or float16 or bfloat16, got 'float64'"),
        ({"attention": "sparse"}, "attention: expected plain or flash, got 'sparse'"),
        ({"num_heads": 5}, "num_heads: expected a multiple of 2, got 5"),
        ({"dim": 26}, "dim: expected a multiple of 12, got 26"),
    ):
        with pytest.raises(ValueError, match=message):
            Qwen2Config(**{**vars(SMALL), **change})


def written(folder, **changes):
    """A folder with the golden config.json but for the changes; ... takes a field away."""
    fields = json.loads((GOLDEN / "tied" / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({name: value for name, value in fields.items() if value is not ...}))
    return folder


def test_sizes_are_read_and_written(tmp_path):
    config = Qwen2Config.from_hf(GOLDEN / "tied", attention="flash")
    assert (config.vocabulary, config.dim, config.num_heads, config.num_key_value_heads) == (112, 48, 12, 2)
    assert config.is_tied and config.rope_theta == 1e6 and config.attention == "flash" and config.end_token == 2
    (tmp_path / "config.json").write_text(json.dumps(config.to_hf()))
    assert Qwen2Config.from_hf(tmp_path, attention="flash") == config
    newer = written(tmp_path, rope_theta=..., rope_parameters={"rope_theta": 5e5, "rope_type": "default"})
    assert Qwen2Config.from_hf(newer).rope_theta == 5e5
    without = Qwen2Config.from_hf(written(tmp_path, rope_theta=..., tie_word_embeddings=...))
    assert without.rope_theta == 1e4 and not without.is_tied  # as transformers has it
    not_in_use = written(tmp_path, layer_types=..., use_sliding_window=True, sliding_window=64, max_window_layers=3)
    assert Qwen2Config.from_hf(not_in_use).num_layers == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, r'rope_scaling: expected null, got {"type": "yarn", "factor": 4.0}'),
        ({"rope_parameters": {"rope_theta": 1e6, "rope_type": "yarn"}}, r"rope_scaling: expected null, got .*yarn"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "layer_types: expected full_attention only, got sliding"),
        (
            {"layer_types": ..., "use_sliding_window": True, "sliding_window": 64, "max_window_layers": 1},
            "use_sliding_window: expected false, got true for layers from 1 on of 3",
        ),
        ({"hidden_act": "gelu"}, 'hidden_act: expected "silu", got "gelu"'),
        ({"model_type": "qwen3"}, 'model_type: expected "qwen2", got "qwen3"'),
        ({"quantization_config": {"bits": 4}}, "quantization_config: expected null, got"),
        ({"hidden_size": ...}, "hidden_size: missing"),
        ({"hidden_size": "48"}, "hidden_size: expected a whole number >= 1, got '48'"),
        ({"rms_norm_eps": 0}, "rms_norm_eps: expected a number > 0, got 0"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings: expected true or false, got 1"),
        ({"num_key_value_heads": 5}, "num_attention_heads: expected a multiple of num_key_value_heads = 5, got 12"),
        ({"head_dim": 8}, "head_dim: expected hidden_size / num_attention_heads = 4, got 8"),
    ],
)
def test_a_config_that_the_model_cannot_do_is_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        Qwen2Config.from_hf(written(tmp_path, **changes))
    assert len(str(caught.value).splitlines()) == 1


def test_all_problems_are_told_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"hidden_act: (.|\n)*") as caught:
        Qwen2Config.from_hf(written(tmp_path, hidden_act="gelu", vocab_size=0, rope_scaling={"type": "linear"}))
    assert len(str(caught.value).splitlines()) == 3
    with pytest.raises(ValueError, match=r"config\.json: cannot be read"):
        Qwen2Config.from_hf(tmp_path / "nowhere")
