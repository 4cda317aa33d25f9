"""Makes tests/models/golden/: tiny random Qwen2 checkpoints as HuggingFace writes them, and the logits that it computes.

python tools/make_qwen2_golden.py

Needs torch and transformers (made with torch 2.13.0 and transformers 4.57.1), which are no dependencies of sfm_ms. Each folder
holds a checkpoint, `config.json` with one safetensors file or several and their index, and `golden.safetensors`:
tokens (B, T), logits (B, T, Y) in float32, is_token (B, T), and masked_logits, those where the other tokens are padding.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import Qwen2Config, Qwen2ForCausalLM

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "models" / "golden"
COMMON = {"max_position_embeddings": 256, "bos_token_id": 1, "eos_token_id": 2}
CASES = {  # name -> (sizes, type of the weights, size of a file)
    "tied": (
        {
            "vocab_size": 112,
            "hidden_size": 48,
            "intermediate_size": 80,
            "num_hidden_layers": 3,
            "num_attention_heads": 12,
            "num_key_value_heads": 2,
            "rope_theta": 1e6,
            "rms_norm_eps": 1e-6,
            "tie_word_embeddings": True,
        },
        torch.float32,
        "10MB",
    ),
    "untied": (
        {
            "vocab_size": 96,
            "hidden_size": 48,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 6,
            "num_key_value_heads": 3,
            "rope_theta": 1e4,
            "rms_norm_eps": 1e-5,
            "tie_word_embeddings": False,
        },
        torch.bfloat16,
        "20KB",
    ),
}


def main() -> None:
    for name, (sizes, dtype, file_size) in CASES.items():
        torch.manual_seed(len(name))
        folder = FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)
        model = Qwen2ForCausalLM(Qwen2Config(**sizes, **COMMON))
        spread(model)
        model.to(dtype).save_pretrained(folder, max_shard_size=file_size)
        (folder / "generation_config.json").unlink()
        save_file(golden(folder, sizes["vocab_size"]), folder / "golden.safetensors")


def spread(model) -> None:
    """Weights that make every part count: attention is far from even, gains and biases are far from 1 and 0."""
    for name, weight in model.named_parameters():
        if weight.ndim == 1:
            weight.data = torch.randn(weight.shape) * 0.4 + ("norm" in name)
        else:
            weight.data = torch.randn(weight.shape) * 1.5 * weight.shape[1] ** -0.5
    model.tie_weights()


def golden(folder: Path, vocabulary: int) -> dict:
    model = Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    tokens = torch.randint(0, vocabulary, (3, 19))
    is_token = torch.ones_like(tokens)
    is_token[0, :5] = 0
    is_token[1, 14:] = 0
    with torch.no_grad():
        logits, masked = model(tokens).logits, model(tokens, attention_mask=is_token).logits
    return {"tokens": tokens.int(), "logits": logits, "is_token": is_token.int(), "masked_logits": masked}


if __name__ == "__main__":
    main()
