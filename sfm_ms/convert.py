"""Qwen2.5 checkpoints from HuggingFace's names and layouts to ours and back, bit for bit, one tensor in memory at a time.

A folder of theirs and one of ours both have `config.json` as HuggingFace has it, safetensors files, and a tokenizer's files.
In ours, tensors have the names of Qwen2's Parameters, and a matrix (X, Y) is what HuggingFace stores as (Y, X).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from mindspore import Parameter, Tensor
from mindspore import dtype as mstype

from sfm_ms.data.hf_tokenizer import with_rows_for
from sfm_ms.data.tensor_files import NUMPY_TYPES, StoredTensor, Values, converted, listed, stored_tensors, write
from sfm_ms.models.qwen2 import Qwen2
from sfm_ms.models.qwen2_config import Qwen2Config

OUTSIDE_LAYERS = {"table_YD": "model.embed_tokens.weight", "norm.gain_D": "model.norm.weight", "head_YD": "lm_head.weight"}
IN_LAYER = {  # after "layers.<n>." here, "model.layers.<n>." there
    "before_attention.gain_D": "input_layernorm.weight",
    "attention.query.weight_XY": "self_attn.q_proj.weight",
    "attention.query.bias_Y": "self_attn.q_proj.bias",
    "attention.key.weight_XY": "self_attn.k_proj.weight",
    "attention.key.bias_Y": "self_attn.k_proj.bias",
    "attention.value.weight_XY": "self_attn.v_proj.weight",
    "attention.value.bias_Y": "self_attn.v_proj.bias",
    "attention.output.weight_XY": "self_attn.o_proj.weight",
    "before_feed_forward.gain_D": "post_attention_layernorm.weight",
    "feed_forward.gate.weight_XY": "mlp.gate_proj.weight",
    "feed_forward.up.weight_XY": "mlp.up_proj.weight",
    "feed_forward.down.weight_XY": "mlp.down_proj.weight",
}
TRANSPOSED = ".weight_XY"  # how the names of matrices end
STORED_TYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
OURS, THEIRS = "sfm_ms", "pt"  # `format` in a file's metadata; transformers opens no others than "pt"
COPIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
)


class ConversionError(ValueError):
    """What is to be converted does not fit; the message names files and tensors."""


def load_qwen2(path: str | Path, dtype: str = "float32", **choices: str) -> Qwen2:
    """The model of a folder of theirs or ours. Its Parameters are held in `dtype`, which it also computes in.

    `choices` are further fields of Qwen2Config, such as attention="flash". ValueError lists the names of tensors that are
    missing, not expected or of another shape, and fields of `config.json` that the model cannot do.
    """
    config = Qwen2Config.from_hf(path, **{"dtype": dtype, "weights": dtype, **choices})
    model, names = Qwen2(config), names_in_huggingface(config)
    tensors, is_ours = _tensors(Path(path), model)
    for name, parameter in model.parameters_and_names():
        is_turned = name.endswith(TRANSPOSED) and not is_ours
        _fill(parameter, tensors[name if is_ours else names[name]], is_turned, STORED_TYPES[config.weights])
    return model


def save_qwen2(
    model: Qwen2, folder: str | Path, dtype: str | None = None, file_bytes: int | None = None, texts: str | Path | None = None
) -> None:
    """Writes a new folder that HuggingFace's `transformers` opens.

    `dtype` of the numbers: that of the Parameters where it is None. `file_bytes`: at most so many of them in a file; None:
    all in one. `texts`: a folder whose tokenizer is copied.
    """
    type, names = _stored_type(dtype), names_in_huggingface(model.config)
    tensors = {names[name]: _values(name, parameter) for name, parameter in model.parameters_and_names()}
    fields = {**model.config.to_hf(), "torch_dtype": dtype or model.config.weights}
    with _new_folder(Path(folder)) as unfinished:
        write(unfinished, tensors, type, file_bytes, THEIRS)
        _write_texts(unfinished, fields, texts)


def resize_vocabulary(model: Qwen2, num_known: int, num_tokens: int, seed: int) -> None:
    """Gives the model rows for new tokens, in its table and in a head that is not tied to it, as `with_rows_for` has them.

    Before the model computes anything: its graphs hold the shapes.
    """
    for name in ("table_YD", "head_YD"):
        if (old := getattr(model, name)) is not None:
            rows = with_rows_for(old.asnumpy(), num_known, num_tokens, seed)
            new = Parameter(Tensor.from_numpy(rows), name=old.name)
            new.is_table = True
            setattr(model, name, new)
            seed += 1
    model.config = dataclasses.replace(model.config, vocabulary=len(rows))


def from_hf(folder: str | Path, out: str | Path, dtype: str | None = None) -> None:
    """A folder of theirs -> a new one of ours; numbers keep their types where `dtype` is None."""
    _convert(Path(folder), Path(out), dtype, file_bytes=None, to_ours=True)


def to_hf(folder: str | Path, out: str | Path, dtype: str | None = None, file_bytes: int | None = None) -> None:
    """A folder of ours -> a new one of theirs, as `save_qwen2` has it."""
    _convert(Path(folder), Path(out), dtype, file_bytes, to_ours=False)


def names_in_huggingface(config: Qwen2Config) -> dict[str, str]:
    """The name of each of Qwen2's Parameters -> that of HuggingFace's tensor, in the order that files have them in."""
    table, *rest = OUTSIDE_LAYERS.items()
    layers = [
        (f"layers.{n}.{ours}", f"model.layers.{n}.{theirs}")
        for n in range(config.num_layers)
        for ours, theirs in IN_LAYER.items()
    ]
    return {ours: theirs for ours, theirs in [table, *layers, *rest] if ours != "head_YD" or not config.is_tied}


def _tensors(folder: Path, model: Qwen2) -> tuple[dict[str, StoredTensor], bool]:
    """Those of the folder, by the names there, and whether these are ours; ConversionError unless they are the model's."""
    tensors, expected = stored_tensors(folder), {}
    is_ours = "table_YD" in tensors
    if model.config.is_tied:
        _leave_out_tied_head(tensors, folder)
    names = names_in_huggingface(model.config)
    for name, parameter in model.parameters_and_names():
        is_turned = name.endswith(TRANSPOSED) and not is_ours
        expected[name if is_ours else names[name]] = parameter.shape[::-1] if is_turned else parameter.shape
    problems = {
        "missing": sorted(expected.keys() - tensors.keys()),
        "not expected": sorted(tensors.keys() - expected.keys()),
        "of another shape": [
            f"{name} {tensors[name].shape}, expected {shape}"
            for name, shape in expected.items()
            if name in tensors and tensors[name].shape != shape
        ],
    }
    if any(problems.values()):
        lines = [f"  {kind}: {listed(names)}" for kind, names in problems.items() if names]
        raise ConversionError("\n".join([f"{folder}: the tensors are not those that config.json describes", *lines]))
    return tensors, is_ours


def _leave_out_tied_head(tensors: dict[str, StoredTensor], folder: Path) -> None:
    """Some files hold a tied head twice."""
    table, head = tensors.get(OUTSIDE_LAYERS["table_YD"]), tensors.pop(OUTSIDE_LAYERS["head_YD"], None)
    if table and head and not _are_equal(table, head):
        raise ConversionError(f"{folder}: lm_head.weight is not the tokens' table, although tie_word_embeddings is true")


def _are_equal(one: StoredTensor, other: StoredTensor) -> bool:
    if (one.type, one.shape) != (other.type, other.shape):
        return False
    pairs = zip(one.blocks(), other.blocks(), strict=True)
    return all(rows.tobytes() == others.tobytes() for (_, rows), (_, others) in pairs)


def _fill(parameter: Parameter, tensor: StoredTensor, is_turned: bool, type: str) -> None:
    """Numbers go from the file to where the Parameter keeps them: there is no second copy."""
    numbers = np.empty(parameter.shape, NUMPY_TYPES[type])
    target = numbers.T if is_turned else numbers
    for first, rows in tensor.blocks():
        try:
            target[first : first + len(rows)] = converted(rows, tensor.type, type)
        except ValueError as error:
            raise ConversionError(f"{tensor.file}: {parameter.name}: {error}") from error
    if type == "BF16":
        numbers = numbers.view(mstype.dtype_to_nptype(mstype.bfloat16))
    parameter.set_data(Tensor.from_numpy(numbers))


def _values(name: str, parameter: Parameter) -> Values:
    type = {mstype.float32: "F32", mstype.float16: "F16", mstype.bfloat16: "BF16"}[parameter.dtype]
    is_turned = name.endswith(TRANSPOSED)

    def read() -> np.ndarray:
        numbers = parameter.asnumpy().view(NUMPY_TYPES[type])
        return numbers.T if is_turned else numbers

    return Values(type, parameter.shape[::-1] if is_turned else parameter.shape, read)


def _convert(folder: Path, out: Path, dtype: str | None, file_bytes: int | None, to_ours: bool) -> None:
    type, config = _stored_type(dtype), Qwen2Config.from_hf(folder)
    tensors, is_ours = _tensors(folder, Qwen2(config))
    if is_ours == to_ours:
        raise ConversionError(f"{folder}: its tensors have {'our names' if is_ours else 'the names of HuggingFace'} already")
    converted_tensors = {}
    for ours, theirs in names_in_huggingface(config).items():
        old, new = (theirs, ours) if to_ours else (ours, theirs)
        converted_tensors[new] = _turned(tensors[old]) if ours.endswith(TRANSPOSED) else _same(tensors[old])
    fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if dtype is not None:
        fields.pop("dtype", None)  # what transformers calls it from 4.56 on; all read torch_dtype
        fields["torch_dtype"] = dtype
    with _new_folder(out) as unfinished:
        write(unfinished, converted_tensors, type, file_bytes, OURS if to_ours else THEIRS)
        _write_texts(unfinished, fields, folder)


def _stored_type(dtype: str | None) -> str | None:
    if dtype is not None and dtype not in STORED_TYPES:
        raise ConversionError(f"dtype: expected {', '.join(STORED_TYPES)}, got {dtype!r}")
    return dtype and STORED_TYPES[dtype]


def _same(tensor: StoredTensor) -> Values:
    return Values(tensor.type, tensor.shape, tensor.read)


def _turned(tensor: StoredTensor) -> Values:
    return Values(tensor.type, tensor.shape[::-1], lambda: tensor.read().T)


def _write_texts(folder: Path, fields: Mapping, texts: str | Path | None) -> None:
    (folder / "config.json").write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    for name in COPIED:
        if texts is not None and (Path(texts) / name).is_file():
            shutil.copyfile(Path(texts) / name, folder / name)


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Where to write what the folder will hold: it is there only when all is written."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConversionError(f"{folder}: exists and is not empty; choose another name")
    unfinished = folder.with_name(f".unfinished_{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
