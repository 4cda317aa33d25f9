"""Strict loading: what is merged, what is refused, and with which words."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfm_ms.recipe import Recipe, RecipeError, find, load, names, read, to_yaml
from sfm_ms.recipe.schema import (
    GruModel,
    LinearAttentionModel,
    Optimizer,
    StateTrackerModel,
    StateTrackingTask,
    StaticSlotsModel,
    Training,
    TransformerModel,
)


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", names())
def test_every_recipe_of_the_package_loads_and_names_its_command(name):
    assert isinstance(load(name), Recipe)
    text = find(name).read_text(encoding="utf-8")
    assert f"sfm train {name}" in text or f"tools/train.py recipes/{name}.yaml" in text


def test_a_recipe_is_named_after_itself_unless_it_says_otherwise(tmp_path):
    assert load("state_tracking/quick").name == "state_tracking-quick"
    assert load(write(tmp_path, "mine.yaml", "")).name == "mine"
    assert load("state_tracking/quick", ["name=other"]).name == "other"


def test_exponents_without_a_dot_are_numbers(tmp_path):
    path = write(tmp_path, "a.yaml", "optimizer: {learning_rate: 1e-3}")
    assert load(path).optimizer.learning_rate == 1e-3
    assert load(path, ["optimizer.learning_rate=2e-4"]).optimizer.learning_rate == 2e-4
    assert load(path, ["optimizer.clip_norm=2"]).optimizer.clip_norm == 2.0


def test_base_is_laid_under_and_overrides_over(tmp_path):
    write(tmp_path, "base.yaml", "task: {num_variables: 3, max_operations: 9}\nseed: 4")
    path = write(tmp_path, "top.yaml", "base: base.yaml\ntask: {max_operations: 12}")
    recipe = load(path, ["task.min_operations=2", "task.test_multipliers=[1, 4]"])
    assert (recipe.task.num_variables, recipe.task.max_operations, recipe.task.min_operations) == (3, 12, 2)
    assert (recipe.seed, recipe.task.test_multipliers) == (4, (1, 4))


def test_a_base_may_be_a_name(tmp_path):
    recipe = load(write(tmp_path, "top.yaml", "base: debug/state_tracking\nseed: 9"))
    assert recipe == replace(load("debug/state_tracking"), name="top", seed=9)


def test_all_errors_are_reported_at_once_with_path_value_expectation_and_nearest_key(tmp_path):
    text = """
optimiser: {}
optimizer: {learning_rate: fast, warmup: 3, betas: [0.9]}
training: {steps: 0, batch_size: 2.5}
task: {supervision: query, test_multipliers: [1, -2]}
model: 7
"""
    with pytest.raises(RecipeError) as caught:
        load(write(tmp_path, "bad.yaml", text), ["seed=many", "nonsense"])
    message = str(caught.value)
    for line in (
        "nonsense: expected an override such as optimizer.learning_rate=1e-3",
        "optimiser: unknown key; did you mean 'optimizer'?",
        "optimizer.learning_rate: expected a number, got 'fast'",
        "optimizer.warmup: unknown key; did you mean 'warmup_steps'?",
        "optimizer.betas: expected a list of 2, got [0.9]",
        "training.steps: expected a whole number >= 1, got 0",
        "training.batch_size: expected a whole number, got 2.5",
        "task.supervision: expected one of answer, queried, all, got 'query'; did you mean 'queried'?",
        "task.test_multipliers[1]: expected a whole number >= 1, got -2",
        "model: expected a section with keys such as kind, got 7",
        "seed: expected a whole number, got 'many'",
    ):
        assert line in message
    assert message.startswith(f"{tmp_path / 'bad.yaml'}: 11 errors")


def test_rules_between_fields(tmp_path):
    overrides = ["task.min_operations=30", "training.steps=50", "task.train_programs=8", "training.validate_every=150"]
    with pytest.raises(RecipeError) as caught:
        load(write(tmp_path, "a.yaml", ""), overrides)
    assert "task.min_operations: expected at most max_operations = 20, got 30" in str(caught.value)
    with pytest.raises(RecipeError) as caught:
        load(write(tmp_path, "a.yaml", ""), overrides[1:])
    for line in (
        "optimizer.warmup_steps: expected fewer than training.steps = 50, got 100",
        "training.batch_size: expected at most task.train_programs = 8, got 32",
        "training.validate_every: expected a multiple of training.log_every = 100, got 150",
    ):
        assert line in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\nseed: 2", "the key 'seed' stands here twice"),
        ("seed: [", "not valid YAML"),
        ("- a\n- b", "expected sections"),
        ("seed: true", "seed: expected a whole number, got True"),
        ("base: missing", "no recipe 'missing'"),
        ("base: self.yaml", "goes round in a circle"),
        ("base: 3", "base: expected the name or path of a recipe, got 3"),
        ("name: ../elsewhere", "name: expected letters, digits"),
        ("task:", "task: expected a section with keys such as kind, got nothing"),
    ],
)
def test_files_that_are_refused(tmp_path, text, words):
    with pytest.raises(RecipeError, match=words.replace("[", r"\[")):
        load(write(tmp_path, "self.yaml", text))


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(RecipeError, match="did you mean 'state_tracking/quick'"):
        load("state_tracking/quik")


def test_kind_chooses_the_class_of_the_model(tmp_path):
    path = write(tmp_path, "a.yaml", "model: {kind: transformer, dim: 64}")
    assert load(path, ["model.readout=last"]).model == TransformerModel(dim=64, readout="last")
    assert load(write(tmp_path, "b.yaml", "model: {num_slots: 5}")).model == StateTrackerModel(num_slots=5)


def test_a_model_of_another_kind_replaces_that_of_the_base(tmp_path):
    write(tmp_path, "base.yaml", "model: {num_slots: 5, unit_dim: 9}")
    gru = write(tmp_path, "gru.yaml", "base: base.yaml\nmodel: {kind: gru}")
    assert load(gru).model == GruModel()
    assert load(write(tmp_path, "wide.yaml", "base: gru.yaml\nmodel: {dim: 300}")).model == GruModel(dim=300)
    same = write(tmp_path, "same.yaml", "base: base.yaml\nmodel: {kind: state_tracker, unit_dim: 7}")
    assert load(same).model == StateTrackerModel(num_slots=5, unit_dim=7)


@pytest.mark.parametrize("kind", ["transfomer", "[gru]", "null"])
def test_an_unknown_kind_is_reported_with_the_other_errors(tmp_path, kind):
    with pytest.raises(RecipeError) as caught:
        load(write(tmp_path, "a.yaml", f"seed: many\nmodel: {{kind: {kind}, dim: 64}}"))
    message = str(caught.value)
    assert "2 errors" in message and "seed: expected a whole number, got 'many'" in message
    kinds = "state_tracker, transformer, gru, linear_attention, static_slots, state_flow_machine, text_transformer, thinker"
    assert f"model.kind: expected one of {kinds}, got " in message
    assert kind != "transfomer" or "got 'transfomer'; did you mean 'transformer'?" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{kind: gru, num_slots: 4}", "model.num_slots: unknown key"),
        ("{kind: transformer, dim: 30}", "model.dim: expected a multiple of num_heads = 4, got 30"),
        ("{kind: transformer, dim: 36, positions: rotary}", "model.dim: expected an even width, with rotary"),
        ("{kind: linear_attention, dim: 3, num_heads: 3}", "model.dim: expected an even width, got 3"),
    ],
)
def test_models_that_are_refused(tmp_path, text, words):
    with pytest.raises(RecipeError, match=words):
        load(write(tmp_path, "a.yaml", f"model: {text}"))


recipes = st.builds(
    Recipe,
    name=st.sampled_from(["a", "b-c"]),
    seed=st.integers(0, 2**32 - 1),
    task=st.builds(StateTrackingTask, supervision=st.sampled_from(["answer", "queried", "all"])),
    model=st.sampled_from(
        [StateTrackerModel(num_slots=3), TransformerModel(norm="pre"), GruModel(), LinearAttentionModel(), StaticSlotsModel()]
    ),
    optimizer=st.builds(Optimizer, learning_rate=st.floats(1e-4, 1e3), weight_decay=st.floats(0, 1)),
    training=st.builds(Training, steps=st.integers(101, 10**6), batch_size=st.integers(1, 999)),
)


@given(recipe=recipes)
def test_a_resolved_recipe_reads_back_equal(recipe, tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(to_yaml(recipe), encoding="utf-8")
    assert read(path) == recipe
