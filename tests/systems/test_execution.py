"""The execution system: its recurrence by hand, in pieces, causal, with padding, rows apart, every parameter with a gradient."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from sfm_ms.nn.statement_places import places
from sfm_ms.systems.execution import ExecutionSystem, SlotReader

DIM, NUM_SLOTS, SLOT_DIM = 16, 5, 6


@pytest.fixture(scope="module")
def system():
    system = ExecutionSystem(DIM, NUM_SLOTS, SLOT_DIM, 3, np.random.default_rng(0))
    drawn_angles = np.random.default_rng(3).normal(size=(DIM, 1)) * 3  # decays of both signs
    system.angle_C1.set_data(Tensor(drawn_angles.astype(np.float32)))
    return system


def run(system, statements, lengths=None, slots=None):
    lengths = np.full(len(statements), statements.shape[1]) if lengths is None else lengths
    is_statement = (np.arange(statements.shape[1]) < lengths[:, None]).astype(np.float32)
    return system(Tensor(statements), Tensor(is_statement), system.begin(len(statements))[0] if slots is None else slots)


def drawn(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def test_slots_follow_the_writes_and_eigenvalues_have_both_signs(system):
    _, (keys, values, betas, decays, _), ticks, slots = run(system, drawn(2, 7, DIM))
    keys, values, betas, decays = (part.asnumpy() for part in (keys, values, betas, decays))
    assert np.allclose((keys**2).sum(-1), 1, atol=1e-5) and (keys >= 0).all()
    assert (betas > 0).all() and (betas < 2).all() and decays.min() < 0 < decays.max() and np.abs(decays).max() <= 1
    assert (ticks.asnumpy() >= 1).all() and (ticks.asnumpy() <= 3).all()
    expected = np.zeros((2, NUM_SLOTS, SLOT_DIM))
    for s in range(7):
        decayed = decays[:, s, :, None] * expected
        held = np.einsum("bn,bnv->bv", keys[:, s], decayed)
        expected = decayed + betas[:, s, :, None] * np.einsum("bn,bv->bnv", keys[:, s], values[:, s] - held)
    assert np.allclose(slots.asnumpy(), expected, atol=1e-5)


def test_a_statement_reads_what_others_wrote(system):
    statements = drawn(1, 2, DIM)
    alone, *_ = run(system, statements[:, 1:])
    after_another, *_ = run(system, statements)
    assert np.abs(alone.asnumpy()[0, 0] - after_another.asnumpy()[0, 1]).max() > 1e-2


def test_tokens_read_the_slots_as_they_stand(system):
    reader = SlotReader(8, NUM_SLOTS, SLOT_DIM, np.random.default_rng(0))
    ends = np.array([[0, 1, 0, 1, 0], [0, 0, 0, 1, 0]], np.float32)
    before = Tensor(drawn(2, NUM_SLOTS, SLOT_DIM))
    _, writes, _, _ = run(system, drawn(2, 2, DIM), np.array([2, 1]), before)
    end_BTS = places(Tensor(np.ones((2, 5), np.float32)), Tensor(ends), 2)[3]
    x = Tensor(np.tile(drawn(1, 1, 8), (2, 5, 1)))  # the same question everywhere
    read = reader(x, end_BTS, writes).asnumpy()
    first = run(system, drawn(2, 2, DIM)[:, :1], None, before)[3].asnumpy()
    for row, token, slots in ((0, 0, before.asnumpy()), (0, 1, first), (0, 2, first), (1, 2, before.asnumpy()), (1, 4, first)):
        assert np.allclose(slots[row].T @ query_of(reader, x), read[row, token], atol=1e-5)


def query_of(reader, x):
    logits = reader.norm(x).asnumpy()[0, 0] @ reader.ask_DN.asnumpy()
    weights = np.exp(logits - logits.max())
    return weights / np.sqrt((weights**2).sum())


def test_pieces_give_what_the_whole_gives(system):
    statements = drawn(2, 7, DIM)
    whole, _, _, after = run(system, statements)
    results, slots = [], None
    for piece in np.split(statements, [3, 4], 1):
        y, _, _, slots = run(system, piece, None, slots)
        results.append(y.asnumpy())
    assert np.allclose(np.concatenate(results, 1), whole.asnumpy(), atol=1e-5)
    assert np.allclose(slots.asnumpy(), after.asnumpy(), atol=1e-5)


def test_what_comes_later_other_rows_and_padding_change_nothing(system):
    statements = drawn(2, 7, DIM)
    whole = run(system, statements)[0].asnumpy()
    statements[0, 4:] += 1
    y, _, ticks, slots = run(system, statements, np.array([7, 5]))
    assert np.array_equal(y.asnumpy()[0, :4], whole[0, :4]) and np.abs(y.asnumpy()[0, 4:] - whole[0, 4:]).max() > 1e-3
    assert np.allclose(y.asnumpy()[1, :5], whole[1, :5], atol=1e-6) and (y.asnumpy()[1, 5:] == 0).all()
    assert (ticks.asnumpy()[1, 5:] == 1).all()
    assert np.allclose(slots.asnumpy()[1], run(system, statements[1:, :5])[3].asnumpy()[0], atol=1e-6)


class Loss(nn.Cell):
    def __init__(self, system, reader):
        super().__init__()
        self.system, self.reader = system, reader

    def construct(self, statements, is_statement, slots, x, end):
        y, writes, ticks, slots = self.system(statements, is_statement, slots)
        return (y * y).sum() + (slots * slots).sum() + ticks.sum() + (self.reader(x, end, writes) ** 2).sum()


def test_every_parameter_and_the_slots_have_a_gradient(system):
    reader = SlotReader(8, NUM_SLOTS, SLOT_DIM, np.random.default_rng(0))
    loss = Loss(system, reader)
    parameters = list(loss.trainable_params())
    end = np.zeros((2, 5, 4), np.float32)
    end[:, [0, 2, 4], [0, 1, 2]] = 1
    inputs = [drawn(2, 4, DIM), np.ones((2, 4), np.float32), drawn(2, NUM_SLOTS, SLOT_DIM), drawn(2, 5, 8), end]
    gradients_of = ms.grad(loss, (0, 2, 3), ms.ParameterTuple(parameters))
    for _ in range(2):
        of_inputs, of_parameters = gradients_of(*map(Tensor, inputs))
        for name, gradient in zip([*"bsx", *(p.name for p in parameters)], (*of_inputs, *of_parameters), strict=True):
            assert np.isfinite(gradient.asnumpy()).all() and np.abs(gradient.asnumpy()).max() > 0, name


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match="max_ticks of the execution system: expected 1 to 8, got 9"):
        ExecutionSystem(DIM, NUM_SLOTS, SLOT_DIM, 9, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"num_slots .* at least 2, got 1"):
        ExecutionSystem(DIM, 1, SLOT_DIM, 2, np.random.default_rng(0))
