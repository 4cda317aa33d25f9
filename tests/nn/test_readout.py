"""The shared embeddings and the shared read-out against NumPy."""

import numpy as np
from mindspore import Tensor

from sfm_ms.nn.number_codes import number_features
from sfm_ms.nn.readout import Readout
from sfm_ms.nn.statement_embedding import StatementEmbedding
from sfm_ms.nn.token_embedding import TokenEmbedding
from sfm_ms.tasks.state_tracking import InputShape

SHAPE = InputShape(num_symbols=2, num_names=2, num_numbers=7, statement_width=3)


def test_numbers_have_their_features_besides_what_is_learned():
    embedding = TokenEmbedding(5, SHAPE, np.random.default_rng(0))
    tokens = np.array([[0, 3], [4, 10]], np.int32)
    learned = embedding.learned_NE.asnumpy()[tokens]
    features = number_features(np.array([0, 6]), 7) @ embedding.features_to_token_FE.asnumpy()
    vectors = embedding(Tensor(tokens)).asnumpy()
    assert np.allclose(vectors[0], learned[0], atol=1e-5) and np.allclose(vectors[1], learned[1] + features, atol=1e-5)


def test_a_statement_is_its_tokens_side_by_side_through_one_layer():
    embedding = StatementEmbedding(5, 8, SHAPE, np.random.default_rng(0))
    statements = np.array([[[1, 4, 0], [2, 5, 10], [0, 0, 0]]], np.int32)
    vectors, is_statement = (result.asnumpy() for result in embedding(Tensor(statements)))
    tokens = embedding.tokens(Tensor(statements)).asnumpy().reshape(1, 3, 15)
    assert np.allclose(vectors, np.maximum(tokens @ embedding.together.weight_XY.asnumpy(), 0), atol=1e-5)
    assert np.array_equal(is_statement, [[1, 1, 0]])


def test_readout():
    rng = np.random.default_rng(0)
    readout = Readout(6, SHAPE, rng)
    hidden, questions = rng.normal(size=(2, 3, 6)).astype(np.float32), np.array([[2, 3], [3, 1]], np.int32)
    out = readout(Tensor(hidden), Tensor(questions)).asnumpy()
    weights = {parameter.name: parameter.asnumpy().astype(np.float64) for parameter in readout.trainable_params()}
    asked = (hidden @ weights["hidden.weight_XY"])[:, :, None] + weights["question_SD"][questions][:, None]
    logits = np.maximum(asked, 0) @ weights["output.weight_XY"] @ readout.codes().asnumpy().T
    expected = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert out.shape == (2, 3, 2, 7) and np.allclose(out, expected, atol=1e-4)
