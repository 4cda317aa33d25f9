"""The sizes of a Qwen2.5, from and to HuggingFace's `config.json`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

TYPES = ("float32", "float16", "bfloat16")
ATTENTIONS = ("plain", "flash")
IN_HUGGINGFACE = {  # field of Qwen2Config -> that of config.json
    "vocabulary": "vocab_size",
    "dim": "hidden_size",
    "feed_forward_dim": "intermediate_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "num_key_value_heads": "num_key_value_heads",
    "max_tokens": "max_position_embeddings",
    "rope_theta": "rope_theta",
    "norm_epsilon": "rms_norm_eps",
    "is_tied": "tie_word_embeddings",
    "begin_token": "bos_token_id",
    "end_token": "eos_token_id",
}
EXPECTED = {  # field of config.json -> the value that this model has built in, which is also meant where the field is missing
    "model_type": "qwen2",
    "hidden_act": "silu",
    "attention_dropout": 0.0,
    "rope_scaling": None,
    "quantization_config": None,
    "use_mrope": False,
}
WHERE_MISSING = {"rope_theta": 1e4, "rms_norm_eps": 1e-6, "tie_word_embeddings": False}  # what transformers takes


@dataclass(frozen=True)
class Qwen2Config:
    """Sizes, and how to compute. ValueError names a field that does not fit.

    Parameters are held in `weights` and multiplied in `dtype`; norms, softmax and what is handed from layer to layer are
    float32. `attention`: plain runs everywhere; flash is MindSpore's FlashAttentionScore, on Ascend from 910B on.
    """

    vocabulary: int
    dim: int
    feed_forward_dim: int
    num_layers: int
    num_heads: int
    num_key_value_heads: int
    max_tokens: int = 32_768  # that it was trained on; nothing here is limited by it
    rope_theta: float = 1e6
    norm_epsilon: float = 1e-6
    is_tied: bool = True  # the logits are made with the table of the tokens
    begin_token: int | None = None
    end_token: int | None = None
    dtype: str = "float32"
    weights: str = "float32"
    attention: str = "plain"

    def __post_init__(self):
        for name, choices in (("dtype", TYPES), ("weights", TYPES), ("attention", ATTENTIONS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: expected {' or '.join(choices)}, got {getattr(self, name)!r}")
        for name, divisor in (("num_heads", self.num_key_value_heads), ("dim", 2 * self.num_heads)):
            if getattr(self, name) % divisor:
                raise ValueError(f"{name}: expected a multiple of {divisor}, got {getattr(self, name)}")

    @property
    def head_dim(self) -> int:
        return self.dim // self.num_heads

    @classmethod
    def from_hf(cls, folder: str | Path, **choices: str) -> Qwen2Config:
        """As `config.json` in the folder says; `choices` are dtype, weights and attention.

        ValueError lists all the fields that are missing, or have a value that the model cannot do.
        """
        file = Path(folder) / "config.json"
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{file}: cannot be read ({error})") from error
        if not isinstance(found, dict):
            raise ValueError(f"{file}: expected a mapping, got {type(found).__name__}")
        found = WHERE_MISSING | _with_rope_fields(found)
        if problems := [*_wrong_sizes(found), *_unsupported(found)]:
            raise ValueError("\n".join(f"{file}: {problem}" for problem in problems))
        return cls(**{ours: found[theirs] for ours, theirs in IN_HUGGINGFACE.items() if theirs in found}, **choices)

    def to_hf(self) -> dict:
        """What `config.json` says of it."""
        fields = {theirs: getattr(self, ours) for ours, theirs in IN_HUGGINGFACE.items()}
        unused = {"use_sliding_window": False, "sliding_window": None, "max_window_layers": self.num_layers}
        fixed = {name: EXPECTED[name] for name in ("model_type", "hidden_act", "attention_dropout", "rope_scaling")}
        return {"architectures": ["Qwen2ForCausalLM"], **fields, **fixed, **unused, "use_cache": True}


def _with_rope_fields(found: dict) -> dict:
    """transformers 5 says in one field what earlier ones say in two."""
    rope = found.get("rope_parameters") or {}
    if not isinstance(rope, dict):
        return {**found, "rope_scaling": rope}
    rope = dict(rope)
    if "rope_theta" in rope:
        found = {**found, "rope_theta": rope.pop("rope_theta")}
    kind = rope.pop("rope_type", "default")
    if rope or kind != "default":
        found = {**found, "rope_scaling": found["rope_parameters"]}
    scaling = found.get("rope_scaling")
    if isinstance(scaling, dict) and scaling.get("rope_type", scaling.get("type")) == "default" and len(scaling) == 1:
        found = {**found, "rope_scaling": None}
    return found


def _wrong_sizes(found: dict) -> list[str]:
    problems = []
    for field in dataclasses.fields(Qwen2Config):
        name = IN_HUGGINGFACE.get(field.name)
        if name not in found:
            if name is not None and field.default is dataclasses.MISSING:
                problems.append(f"{name}: missing")
            continue
        value, is_bool = found[name], isinstance(found[name], bool)
        is_right, expected = {
            "int": (isinstance(value, int) and not is_bool and value >= 1, "a whole number >= 1"),
            "float": (isinstance(value, int | float) and not is_bool and value > 0, "a number > 0"),
            "bool": (is_bool, "true or false"),
            "int | None": (value is None or (isinstance(value, int) and not is_bool), "a token's number or null"),
        }[field.type]
        if not is_right:
            problems.append(f"{name}: expected {expected}, got {value!r}")
    if not problems:
        heads, groups, dim = (found[name] for name in ("num_attention_heads", "num_key_value_heads", "hidden_size"))
        if heads % groups:
            problems.append(f"num_attention_heads: expected a multiple of num_key_value_heads = {groups}, got {heads}")
        if dim % (2 * heads):
            problems.append(f"hidden_size: expected an even width for each of {heads} heads, got {dim}")
        if found.get("head_dim") not in (None, dim // heads):
            problems.append(f"head_dim: expected hidden_size / num_attention_heads = {dim // heads}, got {found['head_dim']}")
    return problems


def _unsupported(found: dict) -> list[str]:
    problems = [
        f"{name}: expected {json.dumps(expected)}, got {json.dumps(found[name])}"
        for name, expected in EXPECTED.items()
        if found.get(name, expected) != expected
    ]
    kinds = found.get("layer_types") or []
    if others := sorted({str(kind) for kind in kinds if kind != "full_attention"}):
        problems.append(f"layer_types: expected full_attention only, got {', '.join(others)}")
    first, layers = found.get("max_window_layers", 28), found.get("num_hidden_layers")  # 28 where transformers finds none
    is_in_use = not (isinstance(first, int) and isinstance(layers, int) and first >= layers)
    if not kinds and found.get("use_sliding_window") and found.get("sliding_window", 4096) and is_in_use:
        problems.append(f"use_sliding_window: expected false, got true for layers from {first} on of {layers}")
    return problems
