"""Checkpoints of Qwen2.5 to ours and back: names, bits, files, memory, and what is refused. `safetensors` itself is the judge."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import safetensors
from hypothesis import given
from hypothesis import strategies as st
from mindspore import Tensor
from safetensors.numpy import load_file, save_file

from sfm_ms import cli, convert
from sfm_ms.convert import ConversionError, load_qwen2, names_in_huggingface, save_qwen2
from sfm_ms.data.tensor_files import NUMPY_TYPES, TensorFileError, Values, converted, rounded_bits, stored_tensors, widened, write
from sfm_ms.models.qwen2 import Qwen2, Qwen2Config

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "models" / "golden"


@pytest.fixture(params=["tied", "untied"])
def original(request, tmp_path):
    """A copy of a checkpoint that transformers wrote: float32 in one file, or bfloat16 in five."""
    folder = tmp_path / "original"
    shutil.copytree(GOLDEN / request.param, folder)
    (folder / "golden.safetensors").unlink()
    (folder / "tokenizer.json").write_text("{}")
    return folder


@pytest.fixture
def tied(tmp_path):
    folder = tmp_path / "tied"
    shutil.copytree(GOLDEN / "tied", folder)
    return folder


def raw(folder):
    """All tensors of a folder, by name: type, shape and bytes as the library `safetensors` finds them."""
    found = {}
    for file in sorted(folder.glob("model*.safetensors")):
        for name, entry in safetensors.deserialize(file.read_bytes()):
            assert name not in found
            found[name] = (entry["dtype"], tuple(entry["shape"]), bytes(entry["data"]))
    return found


def changed(folder, **tensors):
    """The folder, whose only file has other tensors: names with __ for dots; None takes one away."""
    held = load_file(folder / "model.safetensors")
    held |= {name.replace("__", "."): value for name, value in tensors.items()}
    save_file({name: value for name, value in held.items() if value is not None}, folder / "model.safetensors")
    return folder


def metadata(file):
    with safetensors.safe_open(file, "np") as opened:
        return opened.metadata()


def test_every_parameter_has_its_name_in_the_table(original):
    model, tensors = load_qwen2(original), raw(original)
    names = names_in_huggingface(model.config)
    assert sorted(names) == sorted(name for name, _ in model.parameters_and_names())
    assert sorted(names.values()) == sorted(tensors)


def test_parameters_have_the_bits_of_the_files(original):
    model, tensors = load_qwen2(original), raw(original)
    names = names_in_huggingface(model.config)
    for name, parameter in model.parameters_and_names():
        type, shape, data = tensors[names[name]]
        bits = np.frombuffer(data, "<u2").astype(np.uint32) << 16 if type == "BF16" else np.frombuffer(data, "<u4")
        expected = bits.reshape(shape).T if name.endswith("weight_XY") else bits.reshape(shape)
        assert np.array_equal(parameter.asnumpy().view(np.uint32), expected), name


@pytest.mark.parametrize("file_bytes", [None, 30_000])
def test_export_is_what_transformers_would_have_written(original, tmp_path, file_bytes):
    model, before = load_qwen2(original), raw(original)
    type = next(iter(before.values()))[0]
    dtype = {"F32": "float32", "BF16": "bfloat16"}[type]
    out = tmp_path / "out"
    save_qwen2(model, out, dtype, file_bytes, texts=original)
    assert raw(out) == before
    files = sorted(out.glob("*.safetensors"))
    assert all(metadata(file) == {"format": "pt"} for file in files) and (out / "tokenizer.json").is_file()
    fields, known = (json.loads((folder / "config.json").read_text()) for folder in (out, original))
    assert fields.pop("torch_dtype") == known.pop("dtype") == dtype
    for name in ("initializer_range", "layer_types", "transformers_version", "max_window_layers"):
        assert known.pop(name)
        fields.pop(name, None)
    assert fields == known
    if file_bytes is None:
        assert [file.name for file in files] == ["model.safetensors"]
    else:
        assert len(files) > 2 and files[0].name == f"model-00001-of-{len(files):05}.safetensors"
        index = json.loads((out / "model.safetensors.index.json").read_text())
        assert index["weight_map"].keys() == before.keys()
        assert index["metadata"]["total_size"] == sum(len(data) for _, _, data in before.values())
    again = load_qwen2(out)
    for (name, a), (_, b) in zip(model.parameters_and_names(), again.parameters_and_names(), strict=True):
        assert a.asnumpy().tobytes() == b.asnumpy().tobytes(), name


def test_the_command_converts_to_ours_and_back(original, tmp_path, capsys):
    ours, back = tmp_path / "ours", tmp_path / "back"
    assert cli.main(["convert", "from-hf", str(original), str(ours)]) == 0
    assert cli.main(["convert", "to-hf", str(ours), str(back), "--file-size", "30KB"]) == 0
    assert capsys.readouterr().out == f"written: {ours}\nwritten: {back}\n"
    assert raw(back) == raw(original) and len(list(back.glob("*.safetensors"))) > 2
    assert metadata(ours / "model.safetensors") == {"format": "sfm_ms"}
    for name in ("config.json", "tokenizer.json"):
        assert json.loads((back / name).read_text()) == json.loads((original / name).read_text())
    assert "layers.1.attention.key.weight_XY" in raw(ours)
    for a, b in zip(load_qwen2(ours).get_parameters(), load_qwen2(original).get_parameters(), strict=True):
        assert a.asnumpy().tobytes() == b.asnumpy().tobytes()


def test_the_command_rounds(tied, tmp_path):
    ours, back = tmp_path / "ours", tmp_path / "back"
    assert cli.main(["convert", "from-hf", str(tied), str(ours), "--dtype", "bfloat16"]) == 0
    assert cli.main(["convert", "to-hf", str(ours), str(back), "--dtype", "float16"]) == 0
    for name, (type, _, data) in raw(back).items():
        wide = np.frombuffer(raw(tied)[name][2], np.float32)
        assert type == "F16" and np.array_equal(np.frombuffer(data, np.float16), widened(rounded_bits(wide)).astype(np.float16))
    assert json.loads((back / "config.json").read_text())["torch_dtype"] == "float16"


def test_every_bfloat16_is_read_exactly_and_written_back():
    bits = np.arange(1 << 16, dtype=np.uint16)
    wide = widened(bits)
    sign, exponent, mantissa = bits >> 15, ((bits >> 7) & 255).astype(int), (bits & 127).astype(float)
    with np.errstate(over="ignore"):
        values = np.where(exponent > 0, (1 + mantissa / 128) * 2.0 ** (exponent - 127), mantissa / 128 * 2.0**-126)
    is_finite = exponent < 255
    assert np.array_equal(wide[is_finite], (np.where(sign, -values, values))[is_finite])
    assert np.array_equal(np.isnan(wide), ~is_finite & (mantissa > 0))
    is_quiet = ~np.isnan(wide) | ((bits & 0x40) > 0)  # NaN comes back with its quiet bit set
    assert np.array_equal(rounded_bits(wide)[is_quiet], bits[is_quiet]) and np.isnan(widened(rounded_bits(wide[~is_quiet]))).all()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_rounding_takes_the_nearest_and_of_two_the_even_one(numbers):
    found = rounded_bits(np.array(numbers, np.float32))
    for number, bits in zip(numbers, found.tolist(), strict=True):
        below = int(np.float32(number).view(np.uint32)) >> 16  # towards 0
        if (below + 1) & 0x7F80 == 0x7F80:
            continue  # may round to infinity
        distances = [abs(Fraction(float(widened(np.array([b], np.uint16))[0])) - Fraction(number)) for b in (below, below + 1)]
        nearest = below if distances[0] < distances[1] or (distances[0] == distances[1] and below % 2 == 0) else below + 1
        assert bits == nearest


def test_rounding_at_the_ends():
    numbers = np.array([0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0x7F800001, 0xFFFFFFFF, 0x80000000, 1], np.uint32).view(np.float32)
    assert [hex(bits) for bits in rounded_bits(numbers).tolist()] == [
        "0x7f80", "0xff80", "0x7f80", "0x7fc0", "0xffff", "0x8000", "0x0"
    ]  # fmt: skip


def test_float16_and_back():
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    wide = converted(halves, "F16", "F32")
    assert np.array_equal(wide, halves.astype(np.float64), equal_nan=True)
    assert np.array_equal(converted(wide, "F32", "F16"), halves, equal_nan=True)
    with pytest.raises(ValueError, match="float16 cannot hold 70000"):
        converted(np.array([1, 7e4], np.float32), "F32", "F16")


def test_loading_in_float16(original):
    model, wide = load_qwen2(original, "float16"), load_qwen2(original)
    for (name, half), (_, number) in zip(model.parameters_and_names(), wide.parameters_and_names(), strict=True):
        assert np.array_equal(half.asnumpy(), number.asnumpy().astype(np.float16)), name


def test_bfloat16_parameters_hold_the_bits_of_the_files(tmp_path, monkeypatch):
    """A CPU can hold such numbers, though not compute with them."""
    monkeypatch.setattr("sfm_ms.models.qwen2.why_not", lambda config: "")
    model = load_qwen2(GOLDEN / "untied", "bfloat16")
    assert {str(parameter.dtype) for parameter in model.get_parameters()} == {"BFloat16"}
    save_qwen2(model, tmp_path / "out")
    assert raw(tmp_path / "out") == raw(GOLDEN / "untied")


def test_names_and_shapes_are_strict(tied):
    wrong = changed(
        tied,
        model__layers__0__mlp__up_proj__weight=None,
        model__layers__7__extra=np.zeros(3, np.float32),
        model__norm__weight=np.zeros(47, np.float32),
    )
    with pytest.raises(ConversionError) as caught:
        load_qwen2(wrong)
    assert str(caught.value).splitlines()[1:] == [
        "  missing: model.layers.0.mlp.up_proj.weight",
        "  not expected: model.layers.7.extra",
        "  of another shape: model.norm.weight (47,), expected (48,)",
    ]


def test_many_wrong_names_are_counted(tied):
    fields = json.loads((tied / "config.json").read_text())
    (tied / "config.json").write_text(json.dumps(fields | {"num_hidden_layers": 5, "layer_types": None}))
    with pytest.raises(ConversionError, match=r"missing: model\.layers\.3.*, model\.layers\.3.* and 18 more$"):
        load_qwen2(tied)


def test_a_tied_head_may_be_there_twice(tied):
    table = load_file(tied / "model.safetensors")["model.embed_tokens.weight"]
    assert load_qwen2(changed(tied, lm_head__weight=table)).head_YD is None
    with pytest.raises(ConversionError, match=r"lm_head\.weight is not the tokens' table, although tie_word_embeddings is true"):
        load_qwen2(changed(tied, lm_head__weight=table + 1))


def test_a_number_too_large_for_float16_is_named(tied):
    gain = np.full(48, 1e6, np.float32)
    with pytest.raises(ConversionError, match=r"norm\.gain_D: float16 cannot hold 1e\+06"):
        load_qwen2(changed(tied, model__norm__weight=gain), "float16")
    with pytest.raises(TensorFileError, match=r"norm\.gain_D: float16 cannot hold 1e\+06"):
        convert.from_hf(tied, tied / "out", "float16")
    assert not (tied / "out").exists() and not list(tied.glob(".unfinished*"))


def header_of(file):
    data = file.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(file, header, numbers):
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    file.write_bytes(struct.pack("<Q", len(text)) + text + numbers)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda header, numbers: (header, numbers[:-1]), "the file is damaged"),
        (lambda header, numbers: (b"{", numbers), "its JSON is damaged"),
        (lambda header, numbers: (b"[]", numbers), "its JSON is not a mapping"),
        (lambda header, numbers: (header | {"model.norm.weight": {"dtype": "F32"}}, numbers), "entry of model.norm.weight is"),
        (lambda header, numbers: (header | {"x": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}, numbers), "x is I64"),
        (lambda header, numbers: (header | {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, numbers), "x of shape"),
        (
            lambda header, numbers: (header | {"x": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}, numbers),
            "x of shape",
        ),
    ],
)
def test_damaged_files_are_refused(tied, damage, message):
    file = tied / "model.safetensors"
    with_header(file, *damage(*header_of(file)))
    with pytest.raises(TensorFileError, match=message):
        load_qwen2(tied)


def test_files_that_are_too_short_are_refused(tied):
    for length in (0, 7, 8, 100):
        data = (GOLDEN / "tied" / "model.safetensors").read_bytes()[:length]
        (tied / "model.safetensors").write_bytes(data)
        with pytest.raises(TensorFileError, match=f"{length} bytes, which is less than its header"):
            load_qwen2(tied)


def test_the_index_and_the_files_must_agree(tmp_path):
    folder, index_file = tmp_path / "untied", tmp_path / "untied" / "model.safetensors.index.json"
    shutil.copytree(GOLDEN / "untied", folder)
    index = json.loads(index_file.read_text())

    def refused(message, **changes):
        weight_map = {name: file for name, file in {**index["weight_map"], **changes}.items() if file}
        index_file.write_text(json.dumps({"weight_map": weight_map}))
        with pytest.raises(TensorFileError, match=message):
            load_qwen2(folder)

    refused(r"no file holds more, although", more="model-00001-of-00005.safetensors")
    refused(r"model-00001-of-00005\.safetensors: holds lm_head\.weight, which|holds lm_head", **{"lm_head.weight": None})
    refused(r"absent\.safetensors: missing, although", more="absent.safetensors")
    refused(r"expected weight_map, the name of a file", more="../untied/model-00001-of-00005.safetensors")
    index_file.unlink()
    with pytest.raises(TensorFileError, match=r"expected model\.safetensors or model\.safetensors\.index\.json there"):
        load_qwen2(folder)


def test_blocks_are_smaller_than_tensors(tmp_path, monkeypatch):
    monkeypatch.setattr("sfm_ms.data.tensor_files.BLOCK_BYTES", 100)
    numbers = {"a": np.arange(77, dtype=np.float32).reshape(11, 7), "b": np.arange(60, dtype=np.float32)}
    write(tmp_path, {name: Values("F32", x.shape[::-1], lambda x=x: x.T) for name, x in numbers.items()}, None, None, "pt")
    for name, stored in stored_tensors(tmp_path).items():
        assert np.array_equal(stored.read(), numbers[name].T) and np.array_equal(
            stored.read(), load_file(tmp_path / "model.safetensors")[name]
        )
        assert len(list(stored.blocks())) > 2
    assert NUMPY_TYPES.keys() == {"F32", "F16", "BF16"}


def test_wrong_input_ends_with_code_2_and_touches_nothing(tied, tmp_path, capsys):
    out, ours, run = tmp_path / "out", tmp_path / "ours", tmp_path / "run"
    full = tmp_path / "full"
    for folder in (full, run):
        folder.mkdir()
        (folder / "recipe.yaml").write_text("mine")
    convert.from_hf(tied, ours)
    (tied / "other.safetensors").write_text("")
    for arguments, message in (
        (["from-hf", tmp_path / "nowhere", out], "config.json: cannot be read"),
        (["from-hf", ours, out], "its tensors have our names already"),
        (["to-hf", tied, out], "its tensors have the names of HuggingFace already"),
        (["to-hf", run, out], "got a run, whose model is no Qwen2.5"),
        (["from-hf", tied, full], "exists and is not empty; choose another name"),
        (["from-hf", tied, out, "--file-size", "1GB"], "--file-size: only to-hf writes several files"),
    ):
        assert cli.main(["convert", *map(str, arguments)]) == 2
        err = capsys.readouterr().err
        assert message in err and len(err.splitlines()) == 1, err
    with pytest.raises(SystemExit, match="2"):
        cli.main(["convert", "to-hf", str(ours), str(out), "--file-size", "five"])
    assert "expected a whole number >= 1 and KB, MB, GB, e.g. 5GB, got 'five'" in capsys.readouterr().err
    assert not out.exists() and [path.name for path in full.iterdir()] == ["recipe.yaml"]


def test_a_dtype_that_is_none_is_refused(tied, tmp_path):
    with pytest.raises(ConversionError, match="dtype: expected float32, float16, bfloat16, got 'int8'"):
        save_qwen2(load_qwen2(tied), tmp_path / "out", "int8")


MEASURE = """
import re, sys
from pathlib import Path
from sfm_ms.train import runtime
runtime.start()
from sfm_ms import convert

def peak():  # getrusage's would begin at that of the process which started this one
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

before = peak()
if sys.argv[1] == "load":
    model = convert.load_qwen2(sys.argv[2])
    loaded = peak()
    convert.save_qwen2(model, sys.argv[3])
    print(loaded - before, peak() - before)
else:
    convert.from_hf(sys.argv[2], sys.argv[3])
    print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("type", ["F32", "BF16"])
def test_peak_memory_stays_near_the_size_of_the_model(tmp_path, type):
    fields = {"vocab_size": 24_000, "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 5}
    fields |= {"num_attention_heads": 12, "num_key_value_heads": 2, "tie_word_embeddings": True, "model_type": "qwen2"}
    folder = tmp_path / "random"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(fields))
    config, rng = Qwen2Config.from_hf(folder), np.random.default_rng(0)
    model = Qwen2(config)
    names = names_in_huggingface(config)
    tensors, size = {}, 0
    for name, parameter in model.parameters_and_names():
        shape = parameter.shape[::-1] if name.endswith("weight_XY") else parameter.shape
        size += 4 * parameter.size
        tensors[names[name]] = Values("F32", shape, lambda shape=shape: rng.standard_normal(shape, np.float32))
    write(folder, tensors, type, None, "pt")

    def measured(what, out):
        command = [sys.executable, "-c", MEASURE, what, str(folder), str(tmp_path / out)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [int(number) / size for number in done.stdout.split()]

    loaded, exported = measured("load", "exported")
    (converted_only,) = measured("convert", "ours")
    print(
        f"{type}, {size / 1e6:.0f} MB: loaded {loaded:.3f}, and exported {exported:.3f}; from-hf {converted_only:.3f} x the model"
    )
    assert 1 <= loaded < 1.3 and exported < 1.3 and converted_only < 1.3


def test_new_tokens_have_rows_and_change_no_logit_of_the_others(original, tmp_path):
    model, known = load_qwen2(original), load_qwen2(original)
    num_known = known.config.vocabulary - 7
    convert.resize_vocabulary(model, num_known, num_known + 18, seed=0)
    num_rows = model.config.vocabulary
    assert num_rows % 16 == 0 and num_known + 18 <= num_rows
    tokens = np.arange(20, dtype=np.int32)[None]
    before, after = known(Tensor(tokens)).asnumpy(), model(Tensor(tokens)).asnumpy()
    assert after.shape == (1, 20, num_rows) and np.array_equal(after[..., :num_known], before[..., :num_known])
    save_qwen2(model, tmp_path / "out")
    assert load_qwen2(tmp_path / "out").config.vocabulary == num_rows
    assert model.table_YD.is_table and {name for name, _ in model.parameters_and_names()} == set(
        names_in_huggingface(model.config)
    )
    if not model.config.is_tied:
        assert not np.array_equal(model.table_YD.asnumpy()[num_known], model.head_YD.asnumpy()[num_known])


def test_a_loaded_model_runs(tied):
    golden = load_file(GOLDEN / "tied" / "golden.safetensors")
    assert np.abs(load_qwen2(tied)(Tensor(golden["tokens"])).asnumpy() - golden["logits"]).max() < 1e-4
