"""Thinker, a Qwen2.5 with a State-Flow block after some of its layers, a head that judges and one that expects surprise.

    x <- block(layer(x))      logits = norm(x) W      judge, surprise = heads of norm(x) at given tokens

The judge also hears how much the model doubts what it reads: the sum and the largest of the negative log-likelihoods that it gave
to the tokens of a sample. A wrong line is one that it would have told otherwise.

Blocks are nn/delta_block.py's, or in a twin without State-Flow feed-forward layers of as many parameters. A fresh block of either
kind changes nothing: the logits are those of the Qwen2.

Shapes: B rows, T tokens, N places in a row, D width, Y tokens in the vocabulary.
"""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore import dtype as mstype

from sfm_ms.models.qwen2 import TYPES, FeedForward, Initial, Qwen2, Qwen2Config
from sfm_ms.nn.cost import Cost, num_parameters
from sfm_ms.nn.delta_block import DeltaBlock
from sfm_ms.nn.init import zeros
from sfm_ms.nn.linear import Linear, matrices, num_products
from sfm_ms.nn.lora import add_lora
from sfm_ms.nn.norm import rms_normed
from sfm_ms.nn.softplus import softplus
from sfm_ms.nn.tokens_at import tokens_at
from sfm_ms.recipe.schema import ThinkerModel

MIXERS = ("delta", "feed_forward")
WITH_LORA = ("query", "key", "value", "output", "gate", "up", "down")  # projections of the base
NO_BLOCK = -1
NUM_DOUBTS = 2


@dataclass(frozen=True)
class ThinkerConfig:
    """Sizes. ValueError names a field that does not fit.

    sfm_layers: those that a block follows, counted from 0, rising. mixer: what blocks are made of; feed_forward is the twin.
    """

    base: Qwen2Config
    sfm_layers: tuple[int, ...] = (6, 13, 20, 27)
    sfm_dim: int = 256
    sfm_heads: int = 16
    judge_dim: int = 128
    surprise_dim: int = 64
    mixer: str = "delta"

    def __post_init__(self):
        if self.mixer not in MIXERS:
            near = difflib.get_close_matches(self.mixer, MIXERS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"mixer: expected {' or '.join(MIXERS)}, got {self.mixer!r}{hint}")
        for name in ("sfm_dim", "sfm_heads", "judge_dim", "surprise_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.sfm_dim % self.sfm_heads:
            raise ValueError(f"sfm_heads: expected a divisor of sfm_dim = {self.sfm_dim}, got {self.sfm_heads}")
        for layer in self.sfm_layers:
            if not 0 <= layer < self.base.num_layers:
                raise ValueError(f"sfm_layers: expected layers from 0 to {self.base.num_layers - 1}, got {layer}")
        if list(self.sfm_layers) != sorted(set(self.sfm_layers)):
            raise ValueError(f"sfm_layers: expected rising numbers, got {', '.join(map(str, self.sfm_layers))}")


def of_recipe(model: ThinkerModel, shape, seed: int, base: Qwen2 | None = None) -> Thinker:
    """The Thinker that a recipe asks for, around that base or else a random one whose table has `shape.num_tokens` rows."""
    thinker = Thinker(config_of(model, base_config_of(model, shape.num_tokens) if base is None else base.config), seed, base)
    if model.lora_rank:
        add_lora(thinker.base, WITH_LORA, model.lora_rank, model.lora_alpha, seed)
    if model.recompute:
        for cell in (*thinker.base.layers, *thinker.sfm):
            cell.recompute()
    return thinker


def base_config_of(model: ThinkerModel, num_rows: int) -> Qwen2Config:
    """num_rows: of the table of tokens."""
    same = ("dim", "feed_forward_dim", "num_layers", "num_heads", "num_key_value_heads", "is_tied", "dtype", "attention")
    return Qwen2Config(vocabulary=num_rows, weights=model.dtype, **{name: getattr(model, name) for name in same})


def config_of(model: ThinkerModel, base: Qwen2Config) -> ThinkerConfig:
    same = ("sfm_layers", "sfm_dim", "sfm_heads", "judge_dim", "surprise_dim", "mixer")
    return ThinkerConfig(base, **{name: getattr(model, name) for name in same})


class Thinker(nn.Cell):
    """(tokens (B, T) int32, segments (B, T) int32 or None, *state) -> logits (B, T, Y) float32, or (logits, *state).

    As Qwen2, whose tokens, segments and state these are. A segment's tokens stand side by side: where another one begins, the
    blocks forget. A loss need not hold all logits: `hidden` and then `logits` of some tokens at a time.
    base: a Qwen2 that is taken as it is, its Parameters get "base." before their names; None: a random one. All other Parameters
    are float32. ValueError: the base has not the sizes of `config.base`.
    """

    def __init__(self, config: ThinkerConfig, seed: int, base: Qwen2 | None = None):
        super().__init__()
        if base is not None and base.config != config.base:
            raise ValueError(f"base: expected a model of {config.base}, got one of {base.config}")
        of_base, of_blocks, of_judge, of_surprise = (np.random.default_rng([seed, part]) for part in range(4))
        self.config, dim = config, config.base.dim
        self.base = Qwen2(config.base, of_base) if base is None else base
        self.sfm = nn.CellList([new_block(config, of_blocks) for _ in config.sfm_layers])
        self.judge_head = Head(dim + NUM_DOUBTS, config.judge_dim, of_judge)
        self.surprise_head = Head(dim, config.surprise_dim, of_surprise)
        numbers = {layer: i for i, layer in enumerate(config.sfm_layers)}
        self.block_after = [numbers.get(layer, NO_BLOCK) for layer in range(config.base.num_layers)]
        self.state_sizes = [len(block.begin(1)) for block in self.sfm]

    def construct(self, tokens_BT, segments_BT=None, *state):
        x_BTD, state = self.hidden(tokens_BT, segments_BT, state)
        logits = self.logits(x_BTD)
        return logits if len(state) == 0 else (logits, *state)

    def hidden(self, tokens_BT, segments_BT=None, state=()):
        """-> what logits, judge and surprise are made of (B, T, D) float32, and the state after the tokens; () where there was
        none."""
        if segments_BT is None:
            segments_BT = ops.zeros(tokens_BT.shape, mstype.int32)
        turns, is_hidden, after = self.base.before_layers(tokens_BT, segments_BT, state)
        is_first_BT = first_tokens(segments_BT[:, :1] if len(state) == 0 else state[1][:, -1:], segments_BT)
        x_BTD, of_blocks = self.base.embed(tokens_BT), ()
        for i, layer in enumerate(self.base.layers):
            x_BTD, keys_and_values = layer(x_BTD, is_hidden, turns, some_of(state, 2 + 2 * i, 2))
            after, number = after + keys_and_values, self.block_after[i]
            if number != NO_BLOCK:
                start = 2 + 2 * self.config.base.num_layers + len(of_blocks)
                x_BTD, of_block = self.sfm[number](x_BTD, is_first_BT, some_of(state, start, self.state_sizes[number]))
                of_blocks = of_blocks + of_block
        return self.base.norm(x_BTD), after + of_blocks

    def logits(self, x_BTD):
        return self.base.logits(x_BTD)

    def judge(self, x_BTD, nll_BT, firsts_BN, places_BN):
        """Logit of the chance that a sample is correct (B, N), from what is hidden at `places`, int32, and the doubts from
        `firsts` on. nll: of each token's next one, in nats; it does not learn from the judge.

        A judge that must not know the verdict is asked at the token before the one that tells it, whose nll is not counted.
        """
        doubts_BN2 = doubts(ops.stop_gradient(nll_BT), firsts_BN, places_BN)
        return self.judge_head(ops.concat((tokens_at(x_BTD, places_BN), doubts_BN2), 2))

    def surprise(self, x_BTD, places_BN):
        """The mean loss of a sample in nats, as expected at these tokens (B, N); what is hidden does not learn from it."""
        return softplus(self.surprise_head(ops.stop_gradient(tokens_at(x_BTD, places_BN))))

    def begin(self, num_rows: int, num_tokens: int) -> tuple[Tensor, ...]:
        """The state before the first token: Qwen2's, which remembers `num_tokens`, at least 1, and then that of each block."""
        of_blocks = [part for block in self.sfm for part in block.begin(num_rows)]
        return *self.base.begin(num_rows, num_tokens), *of_blocks

    def base_parameters(self) -> list[Parameter]:
        """Those of the Qwen2; their names begin with "base."."""
        return list(self.base.get_parameters())

    def sfm_parameters(self) -> list[Parameter]:
        """Those of the blocks and the heads: all others."""
        return [parameter for cell in (self.sfm, self.judge_head, self.surprise_head) for parameter in cell.get_parameters()]

    def costs(self, num_tokens: int) -> dict[str, Cost]:
        """Of the base, the blocks and the heads, for one text of so many tokens, whose heads are asked once. All parameters
        count, also frozen ones; attention's products as they are computed, also those of hidden keys."""
        config = self.config.base
        of_token = sum(matrix.size for matrix in matrices(self.base.layers)) + config.dim * config.vocabulary
        of_attention = 2 * num_tokens * config.dim * config.num_layers
        flops = {
            "base": 2 * num_tokens * (of_token + of_attention),
            "sfm": sum(block.flops(num_tokens) for block in self.sfm),
            "heads": 2 * (num_products(self.judge_head) + num_products(self.surprise_head)),
        }
        parts = {"base": [self.base], "sfm": [self.sfm], "heads": [self.judge_head, self.surprise_head]}
        return {name: Cost(sum(p.size for cell in parts[name] for p in cell.get_parameters()), flops[name]) for name in parts}


class FeedForwardBlock(nn.Cell):
    """As DeltaBlock, with as many parameters as that one has, to within 1.5 D; it remembers nothing: past is ()."""

    def __init__(self, config: ThinkerConfig, rng: np.random.Generator):
        super().__init__()
        dim = config.base.dim
        width = round((num_parameters(delta_block(config, np.random.default_rng(0))) - dim) / (3 * dim))
        sizes = dataclasses.replace(config.base, feed_forward_dim=width, weights="float32")
        self.feed_forward = FeedForward(sizes, Initial(rng, sizes))
        self.gain_D = zeros((dim,))

    def construct(self, x_BTD, is_first_BT, past):
        return x_BTD + self.gain_D * self.feed_forward(rms_normed(x_BTD)), past

    def flops(self, num_tokens: int) -> int:
        return 2 * num_tokens * sum(matrix.size for matrix in matrices(self))

    def begin(self, num_rows: int) -> tuple[Tensor, ...]:
        return ()


class Head(nn.Cell):
    """(..., D) -> (...): one number each, silu(x V + b) w + c."""

    def __init__(self, dim: int, hidden_dim: int, rng: np.random.Generator):
        super().__init__()
        self.hidden, self.output = Linear(dim, hidden_dim, rng), Linear(hidden_dim, 1, rng)

    def construct(self, x):
        hidden = self.hidden(x)
        return self.output(hidden * ops.sigmoid(hidden)).squeeze(-1)


def new_block(config: ThinkerConfig, rng: np.random.Generator) -> nn.Cell:
    return delta_block(config, rng) if config.mixer == "delta" else FeedForwardBlock(config, rng)


def delta_block(config: ThinkerConfig, rng: np.random.Generator) -> DeltaBlock:
    return DeltaBlock(config.base.dim, config.sfm_dim, config.sfm_heads, rng, TYPES[config.base.dtype])


def doubts(nll_BT, firsts_BN, lasts_BN):
    """(B, N, 2): log(1 + sum) and log(1 + largest) of the nll from each first place to the one before the last; 0 of none."""
    places_T = ops.arange(nll_BT.shape[1]).astype(mstype.int32)
    is_from_BNT = ops.greater_equal(places_T, firsts_BN.expand_dims(2)).astype(mstype.float32)
    nll_BNT = is_from_BNT * ops.less(places_T, lasts_BN.expand_dims(2)).astype(mstype.float32) * nll_BT.expand_dims(1)
    return ops.log1p(ops.stack((nll_BNT.sum(-1), ops.amax(nll_BNT, -1)), 2))


def first_tokens(before_B1, segments_BT):
    """(B, T) float32: 1 where a token's segment is not that of the token before; before_B1 has that of the row's first."""
    segments = ops.concat((before_B1, segments_BT), 1)
    return ops.not_equal(segments[:, 1:], segments[:, :-1]).astype(mstype.float32)


def some_of(state, start, size):
    """`size` of a state's tensors; () of no state."""
    return () if len(state) == 0 or size == 0 else state[start : start + size]
