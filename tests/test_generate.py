"""Going on with texts: the state carried from token to token, what statements are complete, answers that are rejected."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor

from sfm_ms.data.growing_reading import GrowingReading
from sfm_ms.data.input_shape import TextShape
from sfm_ms.data.readings import pieces, read_text
from sfm_ms.data.text_batches import NUM_INPUTS, as_batch
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.generate import Generator, drawn
from sfm_ms.models.state_flow_machine import StateFlowMachine
from sfm_ms.models.text_transformer import TextTransformer
from sfm_ms.recipe.schema import PythonCodeTask, StateFlowMachineModel, TextTransformerModel
from sfm_ms.tasks.python_code import source_files

TASK = PythonCodeTask(window_tokens=24, window_statements=3)
PROMPT = 'def name(path):\n    """Of a file.\n\n    é"""\n    for part in path:\n        size = part\n\nsize = 3\nprint(size)\n# '


@pytest.fixture(scope="module")
def tokenizer():
    return TextTokenizer.train((file.text for file in source_files(split="valid", held_out=0.01)), 300)


@pytest.fixture(scope="module")
def generator(tokenizer):
    sizes = {"dim": 16, "num_heads": 2, "shared_dim": 16, "num_slots": 4, "slot_dim": 16, "max_ticks": 1}
    config = StateFlowMachineModel(**sizes, structure_heads=2, meta_heads=2, num_hypotheses=2, stack_depth=2, max_nodes=20)
    model = StateFlowMachine(config, TextShape(tokenizer.vocabulary), seed=0)
    model.exchanges[0].bridge.gain_D.set_data(Tensor(np.ones(16, np.float32)))
    return Generator(model, tokenizer, TASK)


def test_a_growing_text_is_read_as_the_whole(tokenizer):
    files = [file.text for file in source_files(split="valid", held_out=0.01) if 200 < len(file.text) < 3000]
    for text in (PROMPT + "3\n", *files[:4]):
        whole, growing = read_text(text, tokenizer, 4), GrowingReading(tokenizer, 4)
        tokens = [growing.append(token) for token in tokenizer.encode(text).tolist()]
        assert growing.text == text
        assert [token.operand for token in tokens] == whole.operand[1:].tolist()
        assert np.array_equal([token.recalled for token in (growing.start, *tokens)], whole.recalled)
        assert [token.completes is not None for token in tokens] == whole.is_end[1:].tolist()
        complete = [token.completes for token in tokens if token.completes is not None]
        assert [statement.number for statement in complete] == list(range(len(complete)))
        assert [statement.kind for statement in complete] == whole.kinds.tolist()
        assert np.array_equal(np.concatenate([np.zeros((0, 3), int), *(statement.edges for statement in complete)]), whole.edges)


def test_token_by_token_is_the_whole_text(generator, tokenizer):
    reading, place = generator.begin(PROMPT[:40])
    for token in tokenizer.encode(PROMPT)[len(tokenizer.encode(PROMPT[:40])) :].tolist():
        place = generator.read([reading.append(token)], place.state)
    assert reading.text == PROMPT
    whole = read_text(PROMPT, tokenizer, TASK.edges_per_statement)
    (piece,) = pieces(whole, 1000, 50)
    arrays = as_batch([(whole, piece)], piece.num_tokens, 50, TASK.edges_per_statement)[:NUM_INPUTS]
    logits = generator.model(*map(Tensor, arrays), *generator.model.begin(1))[0].asnumpy()
    assert np.allclose(place.logits_Y, logits[0, -1], atol=1e-4)
    assert np.allclose(generator.begin(PROMPT)[1].logits_Y, logits[0, -1], atol=1e-4)


def test_writing_is_a_function_of_the_seed(generator):
    first, again, other = (list(generator.write(PROMPT, 12, 1.0, seed)) for seed in (0, 0, 1))
    assert first == again != other and 0 < len(first) <= 12
    greedy = [list(generator.write(PROMPT, 5, 0, seed)) for seed in (0, 1)]
    assert greedy[0] == greedy[1]


def test_an_answer_that_is_not_trusted_is_rejected_but_not_for_ever(generator):
    always, never = generator.answer(PROMPT, threshold=0), generator.answer(PROMPT, threshold=1.1)
    assert always.is_accepted and always.attempts == 1
    assert not never.is_accepted and never.attempts == 3 and never.trust >= always.trust
    one = generator.answer(PROMPT, threshold=1.1, most_attempts=1)
    assert (one.text, one.trust) == (always.text, always.trust)
    between = (always.trust + never.trust) / 2
    if never.trust > always.trust:
        assert generator.answer(PROMPT, threshold=between).attempts > 1


def test_tokens_are_drawn_by_their_chances():
    logits, rng = np.log(np.array([0.1, 0.6, 0.3])), np.random.default_rng(0)
    counts = np.bincount([drawn(logits, 1.0, rng) for _ in range(2000)], minlength=3)
    assert np.allclose(counts / 2000, [0.1, 0.6, 0.3], atol=0.04)
    assert drawn(logits, 0, rng) == 1


def test_a_model_without_state_is_refused(tokenizer):
    model = TextTransformer(TextTransformerModel(dim=8, num_heads=2), TextShape(tokenizer.vocabulary), seed=0)
    with pytest.raises(ValueError, match=r"model: expected one that carries a state .*, got TextTransformer"):
        Generator(model, tokenizer, TASK)
