"""Qwen2.5, a causal transformer language model whose query heads share keys and values in groups (Qwen Team 2024, section 2).

Shapes: B rows, T tokens, D width, F width inside the feed-forward layers, H query heads, G key/value heads, K width of a head,
A = K / 2 angles, Y tokens in the vocabulary, S keys that are looked at: C remembered ones and then the T new ones.
"""

from __future__ import annotations

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore import dtype as mstype
from mindspore._c_expression import MSContext

from sfm_ms.models.qwen2_config import Qwen2Config
from sfm_ms.nn.attention import merge_heads
from sfm_ms.nn.linear import product_in
from sfm_ms.nn.positions import rotate, rotation

TYPES = {"float32": mstype.float32, "float16": mstype.float16, "bfloat16": mstype.bfloat16}
OUT_OF_SIGHT = -1e30  # added to a score, in float32: its weight becomes 0
NOTHING = -1  # the segment of a place in the cache that nothing was written to


class Qwen2(nn.Cell):
    """(tokens (B, T) int32, segments (B, T) int32 or None, *state) -> logits (B, T, Y) float32, or (logits, *state).

    A token looks at itself and at earlier tokens of its segment, a number >= 0: texts that share a row have one each, padding
    has one of its own. None: a row is one text, and all of it segment 0. Whoever hands in a state gets one back; `begin`
    makes the first. Without `rng` all weights are 0, for `convert.load_qwen2` to fill in, and take no memory before it does.
    """

    def __init__(self, config: Qwen2Config, rng: np.random.Generator | None = None):
        super().__init__()
        if problem := why_not(config):
            raise ValueError(problem)
        self.config, self.dtype = config, TYPES[config.dtype]
        initial = Initial(rng, config)
        self.table_YD = initial.table(config.vocabulary, config.dim)
        self.layers = nn.CellList([Layer(config, initial) for _ in range(config.num_layers)])
        self.norm = Norm(config.dim, config, initial)
        self.head_YD = None if config.is_tied else initial.table(config.vocabulary, config.dim)
        exponents_A = np.arange(0, config.head_dim, 2) / config.head_dim
        self.frequencies_A = Tensor((config.rope_theta**-exponents_A).astype(np.float32))
        self.logits_product = ops.MatMul(transpose_b=True)

    def construct(self, tokens_BT, segments_BT=None, *state):
        x_BTD, state = self.hidden(tokens_BT, segments_BT, state)
        logits = self.logits(x_BTD)
        return logits if len(state) == 0 else (logits, *state)

    def hidden(self, tokens_BT, segments_BT, state):
        """-> what the logits are made of (B, T, D) float32, and the state after the tokens; () where there was none."""
        turns, is_hidden, after = self.before_layers(tokens_BT, segments_BT, state)
        x_BTD = self.embed(tokens_BT)
        for i, layer in enumerate(self.layers):
            past = () if len(state) == 0 else state[2 + 2 * i : 4 + 2 * i]
            x_BTD, keys_and_values = layer(x_BTD, is_hidden, turns, past)
            after = after + keys_and_values
        return self.norm(x_BTD), after

    def before_layers(self, tokens_BT, segments_BT, state):
        """-> rotation of the new tokens, which keys are hidden from them, and the part of the state that no layer has."""
        num_rows, num_tokens = tokens_BT.shape
        positions_1T = ops.arange(num_tokens).astype(mstype.float32).expand_dims(0)
        if segments_BT is None:
            segments_BT = ops.zeros((num_rows, num_tokens), mstype.int32)
        segments_BS, after = segments_BT, ()
        if len(state) > 0:
            positions_1T = positions_1T + state[0].astype(mstype.float32)
            segments_BS = ops.concat((state[1], segments_BT), 1)
            after = (state[0] + num_tokens, segments_BS[:, num_tokens:])
        turns = rotation(positions_1T.expand_dims(2) * self.frequencies_A)
        return turns, hidden_keys(segments_BT, segments_BS), after

    def embed(self, tokens_BT):
        return ops.gather(self.table_YD, tokens_BT, 0).astype(mstype.float32)

    def head(self):
        """The Parameter (Y, D) that the logits are made with."""
        return self.table_YD if self.head_YD is None else self.head_YD

    def logits(self, x_BTD):
        num_rows, num_tokens, dim = x_BTD.shape
        logits = self.logits_product(x_BTD.reshape(-1, dim).astype(self.dtype), self.head().astype(self.dtype))
        return logits.reshape(num_rows, num_tokens, self.config.vocabulary).astype(mstype.float32)

    def begin(self, num_rows: int, num_tokens: int) -> tuple[Tensor, ...]:
        """The state before the first token: number of tokens read (), their segments (B, C), then of each layer keys and
        values (B, G, C, K), the newest last. C = num_tokens are remembered: what is read before these is forgotten."""
        config = self.config
        shape = (num_rows, config.num_key_value_heads, num_tokens, config.head_dim)
        empty = [Tensor(np.zeros(shape, np.float32), self.dtype) for _ in range(2 * config.num_layers)]
        return Tensor(0, mstype.int32), Tensor(np.full((num_rows, num_tokens), NOTHING, np.int32)), *empty


class Layer(nn.Cell):
    """(x (B, T, D), hidden keys, rotation, past: () or keys and values (B, G, C, K)) -> x, and () or the C newest of these.

    What a random layer adds is as large as the numbers of the table, D^-1/2: in x the token itself can still be told.
    """

    def __init__(self, config: Qwen2Config, initial: Initial):
        super().__init__()
        self.before_attention, self.before_feed_forward = (Norm(config.dim, config, initial) for _ in range(2))
        self.attention = GroupedAttention(config, initial)
        self.feed_forward = FeedForward(config, initial, scale=config.dim**-0.5)

    def construct(self, x_BTD, is_hidden, turns, past):
        mixed_BTD, past = self.attention(self.before_attention(x_BTD), is_hidden, turns, past)
        x_BTD = x_BTD + mixed_BTD
        return x_BTD + self.feed_forward(self.before_feed_forward(x_BTD)), past


class GroupedAttention(nn.Cell):
    """As Layer; query head h looks at key/value head h // (H / G) (Ainslie et al. 2023, "GQA")."""

    def __init__(self, config: Qwen2Config, initial: Initial):
        super().__init__()
        kv_dim = config.num_key_value_heads * config.head_dim
        self.query = Projection(config.dim, config.dim, config, initial, has_bias=True)
        self.key = Projection(config.dim, kv_dim, config, initial, has_bias=True)
        self.value = Projection(config.dim, kv_dim, config, initial, has_bias=True)
        self.output = Projection(config.dim, config.dim, config, initial, scale=config.dim**-0.5)
        self.head_dim, self.dtype = config.head_dim, TYPES[config.dtype]
        self.attend = PlainAttention(config) if config.attention == "plain" else FlashAttention(config)

    def construct(self, x_BTD, is_hidden, turns, past):
        q_BHTK = rotate(self.heads(self.query(x_BTD)), turns).astype(self.dtype)
        k_BGSK = rotate(self.heads(self.key(x_BTD)), turns).astype(self.dtype)
        v_BGSK = self.heads(self.value(x_BTD)).astype(self.dtype)
        if len(past) > 0:
            num_tokens = x_BTD.shape[1]
            k_BGSK, v_BGSK = ops.concat((past[0], k_BGSK), 2), ops.concat((past[1], v_BGSK), 2)
            past = (k_BGSK[:, :, num_tokens:], v_BGSK[:, :, num_tokens:])
        return self.output(merge_heads(self.attend(q_BHTK, k_BGSK, v_BGSK, is_hidden))), past

    def heads(self, x):
        num_rows, num_tokens, width = x.shape
        return x.reshape(num_rows, num_tokens, width // self.head_dim, self.head_dim).transpose(0, 2, 1, 3)


class PlainAttention(nn.Cell):
    """(q (B, H, T, K), k and v (B, G, S, K), hidden keys (B or 1, 1, T, S)) -> (B, H, T, K)."""

    def __init__(self, config: Qwen2Config):
        super().__init__()
        self.scale, self.dtype = config.head_dim**-0.5, TYPES[config.dtype]
        self.product, self.product_transposed = ops.BatchMatMul(), ops.BatchMatMul(transpose_b=True)

    def construct(self, q_BHTK, k_BGSK, v_BGSK, is_hidden):
        (num_rows, num_heads, num_tokens, dim), (_, num_groups, num_keys, _) = q_BHTK.shape, k_BGSK.shape
        rows = (num_heads // num_groups) * num_tokens  # the heads of a group, one below the other: no key is copied for them
        q = (q_BHTK * self.scale).reshape(num_rows, num_groups, rows, dim)
        scores = self.product_transposed(q, k_BGSK).astype(mstype.float32)
        scores = scores.reshape(num_rows, num_heads, num_tokens, num_keys) + OUT_OF_SIGHT * is_hidden
        weights = ops.softmax(scores, -1).astype(self.dtype).reshape(num_rows, num_groups, rows, num_keys)
        return self.product(weights, v_BGSK).reshape(num_rows, num_heads, num_tokens, dim)


class FlashAttention(nn.Cell):
    """As PlainAttention, without the scores in memory. Written from MindSpore's documentation; not run on a device."""

    def __init__(self, config: Qwen2Config):
        super().__init__()
        self.num_heads, self.scale = config.num_heads, config.head_dim**-0.5

    def construct(self, q_BHTK, k_BGSK, v_BGSK, is_hidden):
        mask = is_hidden.astype(mstype.bool_)  # whose keys and values have fewer heads than the queries is said by their shapes
        return ops.flash_attention_score(
            q_BHTK, k_BGSK, v_BGSK, self.num_heads, attn_mask=mask, scalar_value=self.scale, input_layout="BNSD"
        )


class FeedForward(nn.Cell):
    """(..., D) -> (..., D), float32: down(silu(gate(x)) * up(x)), Shazeer 2020; all three are Cells that can be replaced.

    scale: of what random weights give, beside numbers around 1.
    """

    def __init__(self, config: Qwen2Config, initial: Initial, scale: float = 1.0):
        super().__init__()
        self.gate, self.up = (Projection(config.dim, config.feed_forward_dim, config, initial) for _ in range(2))
        self.down = Projection(config.feed_forward_dim, config.dim, config, initial, scale=scale)

    def construct(self, x):
        gate = self.gate(x)
        return self.down(gate * ops.sigmoid(gate) * self.up(x))


class Projection(nn.Cell):
    """(..., X) -> (..., Y), float32: x W or x W + b, multiplied in the model's `dtype`; nn/lora.py can add to it."""

    def __init__(
        self, in_dim: int, out_dim: int, config: Qwen2Config, initial: Initial, has_bias: bool = False, scale: float = 1.0
    ):
        super().__init__()
        self.dtype = TYPES[config.dtype]
        self.weight_XY = initial.normal((in_dim, out_dim), scale * in_dim**-0.5)
        self.bias_Y = initial.constant(out_dim, 0) if has_bias else None
        self.lora = None

    def construct(self, x):
        y = product_in(self.dtype, x, self.weight_XY)
        if self.lora is not None:
            y = y + self.lora(x)
        return y if self.bias_Y is None else y + self.bias_Y.astype(mstype.float32)


class Norm(nn.Cell):
    """x over the root of its mean square, with a gain for each number (Zhang and Sennrich 2019), in float32.

    nn/norm.py's has an epsilon of its own and multiplies its gain in by a product, for which 910 has no float32.
    """

    def __init__(self, dim: int, config: Qwen2Config, initial: Initial):
        super().__init__()
        self.dim, self.epsilon = dim, config.norm_epsilon
        self.gain_D = initial.constant(dim, 1)

    def construct(self, x):
        mean_square = ops.square(x).sum(-1, keepdims=True) / self.dim
        return x * ops.rsqrt(mean_square + self.epsilon) * self.gain_D.astype(mstype.float32)


class Initial:
    """Makes Parameters: normal numbers and constants, or zeros where there is no generator."""

    def __init__(self, rng: np.random.Generator | None, config: Qwen2Config):
        self.rng, self.type = rng, TYPES[config.weights]

    def normal(self, shape: tuple[int, ...], std: float) -> Parameter:
        if self.rng is None:
            return self.zeros(shape)
        numbers = self.rng.standard_normal(shape, np.float32)
        numbers *= std
        return Parameter(Tensor(numbers, self.type))

    def table(self, *shape: int) -> Parameter:
        parameter = self.normal(shape, shape[1] ** -0.5)
        parameter.is_table = True  # looked up by token: no weight decay, see nn/init.py
        return parameter

    def constant(self, dim: int, value: float) -> Parameter:
        return self.zeros((dim,)) if self.rng is None else Parameter(Tensor(np.full(dim, value, np.float32), self.type))

    def zeros(self, shape: tuple[int, ...]) -> Parameter:
        numbers = np.zeros(shape, mstype.dtype_to_nptype(self.type))
        return Parameter(Tensor.from_numpy(numbers))  # no copy: memory that is never written is never taken


def hidden_keys(segments_BT, segments_BS):
    """(B, 1, T, S) float32: above 0 where a key is later than the token, which is the T newest's, or of another segment."""
    num_tokens, num_keys = segments_BT.shape[1], segments_BS.shape[1]
    is_later = ops.triu(ops.ones((num_tokens, num_keys), mstype.float32), num_keys - num_tokens + 1)
    is_other = ops.not_equal(segments_BT.expand_dims(2), segments_BS.expand_dims(1)).astype(mstype.float32)
    return (is_later + is_other).expand_dims(1)  # a maximum that broadcasts takes three times as long on a CPU


def why_not(config: Qwen2Config) -> str:
    """Why the model cannot compute as the config says on the device that is set, or nothing."""
    device = mindspore.get_context("device_target")
    chip = MSContext.get_instance().get_ascend_soc_version() if device == "Ascend" else device
    has_newer = device == "Ascend" and chip != "ascend910"
    for name in ("dtype", "weights"):
        if getattr(config, name) == "bfloat16" and not has_newer:
            return f"{name}: bfloat16 needs Ascend from 910B on, this is {chip}; expected float32 or float16"
    if config.attention == "flash" and not has_newer:
        return f"attention: flash needs Ascend from 910B on, this is {chip}; expected plain"
    if config.attention == "flash" and config.dtype == "float32":
        return "attention: flash computes in float16 or bfloat16, and dtype is float32"
    return ""
