"""MindFormers beside our own: its Llama's logits, its AdamW and schedules as recipes choose them, and its Trainer on a Thinker.

In one file, because its import takes as long as many a test.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor
from safetensors.numpy import load_file

from sfm_ms.convert import load_qwen2
from sfm_ms.data import difficulty
from sfm_ms.data.hf_tokenizer import HfTokenizer
from sfm_ms.data.tensor_files import converted, stored_tensors
from sfm_ms.data.thinker_batches import ThinkerBatches
from sfm_ms.recipe import load
from sfm_ms.recipe.schema import LearningRateGroup, Optimizer
from sfm_ms.train import mindformers_package, trained
from sfm_ms.train.building import model_of
from sfm_ms.train.choices import schedule_of, update_of
from sfm_ms.train.mindformers_optim import MindFormersUpdate
from sfm_ms.train.parallel import Ranks
from sfm_ms.train.run_folder import RunFolder
from sfm_ms.train.thinker_step import ThinkerLoss, ThinkerStep
from sfm_ms.train.trainer import train

pytestmark = pytest.mark.skipif(not mindformers_package.is_installed(), reason="MindFormers is not installed")
ROOT = Path(__file__).resolve().parents[1]
GOLDEN, YAMLS = ROOT / "tests/models/golden", ROOT / "sfm_ms/mindformers_trainer"
ON_A_CPU = {"use_flash_attention": False, "use_rope_slice": True, "fused_rms_norm": False, "compute_dtype": "float32"}
SHAPES = {"base.w": (3, 4), "base.b": (4,), "sfm.w": (2, 3)}
GROUPS = (LearningRateGroup("sfm", 5e-3),)
CONFIG = Optimizer(learning_rate=1e-3, final_learning_rate=1e-4, warmup_steps=4, weight_decay=0.1, clip_norm=0.5, groups=GROUPS)
THEIRS = dataclasses.replace(CONFIG, adamw="mindformers")
CHOICES = (
    "optimizer.adamw=mindformers", "optimizer.schedule=mindformers_cosine", "training.steps=4", "training.checkpoint_every=2",
    "optimizer.warmup_steps=1",
)  # fmt: skip


def llama_of(folder, num_tokens):
    """MindFormers' Llama with the sizes and weights of a Qwen2.5 from HuggingFace, for rows of so many tokens."""
    llama = mindformers_package.part("models.llama")
    sizes = json.loads((folder / "config.json").read_text())
    config = llama.LlamaConfig(
        seq_length=num_tokens,
        hidden_size=sizes["hidden_size"],
        intermediate_size=sizes["intermediate_size"],
        num_layers=sizes["num_hidden_layers"],
        num_heads=sizes["num_attention_heads"],
        n_kv_heads=sizes["num_key_value_heads"],
        vocab_size=sizes["vocab_size"],
        rms_norm_eps=sizes["rms_norm_eps"],
        theta=sizes["rope_theta"],
        tie_word_embeddings=sizes["tie_word_embeddings"],
        qkv_has_bias=True,
        param_init_type="float32",
        **ON_A_CPU,
    )
    model = llama.LlamaForCausalLM(config).set_train(False)
    tensors = {name: converted(tensor.read(), tensor.type, "F32") for name, tensor in stored_tensors(folder).items()}
    weights = llama.LlamaForCausalLM.convert_weight_dict(tensors, model_config=config)
    own = {name: Parameter(Tensor(value), name=name) for name, value in weights.items()}
    assert ms.load_param_into_net(model, own, strict_load=True) == ([], [])
    return model


@pytest.mark.parametrize("name", ["tied", "untied"])
def test_logits_are_those_of_mindformers_llama(name):
    tokens = Tensor(load_file(GOLDEN / name / "golden.safetensors")["tokens"].astype(np.int32))
    expected, *_ = llama_of(GOLDEN / name, tokens.shape[1])(tokens)
    found = load_qwen2(GOLDEN / name)(tokens)
    assert np.abs(expected.asnumpy()).max() > 2
    assert np.abs(found.asnumpy() - expected.asnumpy()).max() < 1e-4


def parameters(dtype=ms.float32):
    rng = np.random.default_rng(0)
    return [Parameter(Tensor(rng.normal(size=shape).astype(np.float32), dtype), name=name) for name, shape in SHAPES.items()]


def stepped(update, steps):
    """The norms of the gradients that it was given at these steps."""
    norms = []
    for step in steps:
        rng = np.random.default_rng(step)
        gradients = [Tensor(rng.normal(size=p.shape).astype(np.float32), p.dtype) for p in update.parameters_in_order]
        norms.append(float(update(Tensor(1e-3 / (1 + step), ms.float32), *gradients).asnumpy()))
    return norms


def values(own):
    return {parameter.name: parameter.asnumpy().copy() for parameter in own}


@pytest.mark.parametrize("dtype", [ms.float32, ms.float16])
def test_adamw_of_mindformers_does_what_ours_does(dtype):
    """By groups, with decay of matrices only, clipping and master copies."""
    ours, theirs, before = parameters(dtype), parameters(dtype), values(parameters(dtype))
    updates = update_of(ours, CONFIG), update_of(theirs, THEIRS)
    assert isinstance(updates[1], MindFormersUpdate)
    assert stepped(updates[0], range(5)) == stepped(updates[1], range(5))
    states = [update.arrays() for update in updates]
    assert states[0].keys() == states[1].keys()
    for name in states[0]:
        assert np.abs(states[1][name] - states[0][name]).max() < 1e-6, name
    tolerance = 1e-6 if dtype == ms.float32 else 1e-3
    for name, value in values(ours).items():
        assert np.abs(values(theirs)[name] - value).max() < tolerance and np.abs(value - before[name]).max() > 1e-3, name


def test_a_restored_adamw_of_mindformers_goes_on_bit_for_bit():
    whole, part = parameters(), parameters()
    update = update_of(whole, THEIRS)
    stepped(update, range(2))
    for new, old in zip(part, whole, strict=True):
        new.set_data(Tensor(old.asnumpy().copy()))
    restored = update_of(part, THEIRS)
    restored.restore(update.arrays())
    for one in (update, restored):
        stepped(one, range(2, 4))
    assert all(np.array_equal(value, values(part)[name]) for name, value in values(whole).items())
    assert all(np.array_equal(value, restored.arrays()[name]) for name, value in update.arrays().items())


def test_an_adamw_of_mindformers_may_own_a_part():
    whole, part = parameters(), parameters()
    updates = update_of(whole, THEIRS), update_of(part, THEIRS, owned=[1])
    assert stepped(updates[0], range(2)) == stepped(updates[1], range(2))
    owned = updates[1].parameters_in_order[1].name
    for name, before in values(parameters()).items():
        expected = values(whole)[name] if name == owned else before
        assert np.array_equal(values(part)[name], expected), name


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("mindformers_cosine", {0: 0, 2: 5e-4, 4: 1e-3, 14: 5.5e-4, 23: 1e-4 + 9e-4 * (1 - np.cos(np.pi / 20)) / 2}),
        ("mindformers_linear", {0: 0, 2: 5e-4, 4: 1e-3, 14: 5e-4, 23: 5e-5}),
        ("mindformers_constant", {0: 0, 2: 5e-4, 4: 1e-3, 23: 1e-3}),
        ("mindformers_stable_decay", {0: 0, 2: 5e-4, 4: 1e-3, 14: 1e-3, 19: 5.5e-4, 23: 1.9e-4}),
    ],
)
def test_schedules_of_mindformers(schedule, expected):
    decay_steps = 10 if schedule == "mindformers_stable_decay" else 0
    rate_of = schedule_of(dataclasses.replace(CONFIG, schedule=schedule, decay_steps=decay_steps), 24)
    assert [rate_of(step) for step in expected] == pytest.approx(list(expected.values()), rel=1e-4)


@pytest.fixture(scope="module")
def trained_there(tmp_path_factory):
    """The folder in which the Trainer ran on the YAML that comes with it, and what it printed."""
    folder = tmp_path_factory.mktemp("trainer")
    command = [sys.executable, str(ROOT / "tools/train_mindformers.py"), str(YAMLS / "debug.yaml")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder, done.stdout


def test_the_trainer_of_mindformers_trains_a_thinker_by_our_loss(trained_there):
    folder, printed = trained_there
    losses = [float(loss) for loss in re.findall(r"loss:\[(\d+\.\d+)", printed)]
    assert len(losses) == 12 and losses[-1] < losses[0] - 0.3
    assert sorted(path.name for path in folder.iterdir()) == ["output", "runs"]
    run = RunFolder(folder / "runs/mindformers-debug")
    recipe = dataclasses.replace(run.recipe(), training=dataclasses.replace(run.recipe().training, micro_batches=1))
    model, alike = model_of(recipe, folder / "runs"), difficulty.weights(difficulty.start(recipe.task.difficulties))
    batch = ThinkerBatches(recipe, HfTokenizer.load(run.path)).batch(0, alike)
    (whole,) = ThinkerStep(model, recipe, Ranks()).parts(batch)
    loss = ThinkerLoss(model, recipe)(*map(Tensor, whole))[0]
    assert float(loss.asnumpy()) == pytest.approx(losses[0], abs=1e-5)


def test_what_the_trainer_of_mindformers_leaves_is_a_run(trained_there):
    folder, _ = trained_there
    (file,) = (folder / "output/checkpoint").rglob("*.safetensors")
    saved, found = load_file(file), trained.load(RunFolder(folder / "runs/mindformers-debug"))
    learned = {parameter.name: parameter.asnumpy() for parameter in found.model.trainable_params()}
    assert found.step == 12 and any(name.startswith("base.") for name in learned)
    assert all(np.array_equal(value, saved[name]) for name, value in learned.items())


@pytest.mark.parametrize("file", sorted(YAMLS.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_yamls_name_recipes_that_there_are(file):
    config = mindformers_package.part("tools.register").MindFormerConfig(str(file))
    of_model, of_data = config.model.model_config, config.train_dataset.data_loader
    recipe = load(of_model.recipe, of_model.overrides)
    assert (of_model.recipe, of_model.overrides) == (of_data.recipe, of_data.overrides)
    assert recipe.name == f"mindformers-{file.stem}" and recipe.task.kind == "code_execution"
    assert f"tools/train_mindformers.py {file.relative_to(ROOT)}\n" in file.read_text()
    assert config.train_dataset.input_columns == config.train_dataset.construct_args_key


@pytest.mark.slow
def test_a_training_by_recipe_ends_as_it_did_when_taken_up_again(tmp_path):
    recipe = load("debug/state_tracking", CHOICES)
    train(recipe, tmp_path)
    last = tmp_path / recipe.name / "checkpoints/step_4"
    before = {name: load_file(last / f"{name}.safetensors") for name in ("model", "optimizer")}
    shutil.rmtree(last)
    train(recipe, tmp_path)
    for name, tensors in before.items():
        after = load_file(last / f"{name}.safetensors")
        assert after.keys() == tensors.keys() and all(np.array_equal(after[key], value) for key, value in tensors.items())
