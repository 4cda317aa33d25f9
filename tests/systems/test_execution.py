"""The execution system: its recurrence by hand, in pieces, causal, with padding, rows apart, every parameter with a gradient."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from sfm_ms.nn.slot_bank import write
from sfm_ms.nn.statement_places import places
from sfm_ms.systems.execution import INITIAL_HALT, SYMBOL_CHOICES, ExecutionSystem, SlotReader

DIM, TOKEN_DIM, NUM_OPERANDS, NUM_SLOTS, SLOT_DIM = 16, 7, 3, 5, 32
SIZES = (DIM, TOKEN_DIM, NUM_OPERANDS)


@pytest.fixture(scope="module")
def system():
    system = ExecutionSystem(*SIZES, NUM_SLOTS, SLOT_DIM, 3, np.random.default_rng(0))
    drawn_angles = np.random.default_rng(3).normal(size=(DIM, 3))  # decays of both signs
    system.angle_CJ.set_data(Tensor(drawn_angles.astype(np.float32)))
    return system


def run(system, texts, lengths=None, slots=None):
    """texts: statements (B, S, C) and their words (B, S, 1 + M, D)."""
    statements, words = texts
    lengths = np.full(len(statements), statements.shape[1]) if lengths is None else lengths
    is_statement = (np.arange(statements.shape[1]) < lengths[:, None]).astype(np.float32)
    slots = system.begin(len(statements))[0] if slots is None else slots
    return system(Tensor(statements), Tensor(words), Tensor(is_statement), slots)


def drawn(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def drawn_texts(num_rows, num_statements):
    """Statements with one to all of their operands."""
    words = drawn(num_rows, num_statements, 1 + NUM_OPERANDS, TOKEN_DIM)
    num_operands = np.random.default_rng(2).integers(1, NUM_OPERANDS + 1, (num_rows, num_statements, 1, 1))
    words *= np.arange(1 + NUM_OPERANDS).reshape(-1, 1) <= num_operands
    return drawn(num_rows, num_statements, DIM), words.astype(np.float32)


def test_slots_and_ticks_are_those_of_the_formulas(system):
    texts = drawn_texts(2, 7)
    y, ticks, states, _ = run(system, texts)
    for row in range(2):
        slots = np.zeros((NUM_SLOTS, SLOT_DIM))
        for s in range(7):
            expected_y, expected_ticks, slots = statement_by_hand(system, *(part[row, s] for part in texts), slots)
            assert np.allclose(states.asnumpy()[row, s], slots, atol=1e-4)
            assert np.allclose(y.asnumpy()[row, s], expected_y, atol=1e-4)
            assert np.isclose(ticks.asnumpy()[row, s], expected_ticks, atol=1e-5) and 1 <= expected_ticks <= 3


def statement_by_hand(system, statement, words, slots):
    operators, operands = words[0], words[1:]
    weights = {name.split(".")[-1]: value.asnumpy().astype(np.float64) for name, value in system.parameters_dict().items()}
    h, left_over, y, bank, ticks = normed(statement) @ weights["first_CC"], 1.0, 0, 0, 0
    addresses = np.array([unit(operand @ weights["address_DN"]) if operand.any() else [0] * NUM_SLOTS for operand in operands])
    gate = normed(operators) @ weights["gate_DU"]
    reads, own = sigmoid(operands @ weights["is_read_D1"]) * addresses, operands.reshape(-1) @ weights["own_XC"]
    r = normed((reads @ slots).reshape(-1) @ weights["held_XC"] + own)
    for tick in range(3):
        left, right = np.split(r @ weights["views_CX"] + normed(h) @ weights["before_CX"], 2)
        h = h + (left * right * gate) @ weights["result_UC"]
        n = normed(h)
        key = unit(softmax(n @ weights["target_JCM"][tick]) @ addresses)
        value = 4 * softmax((n @ weights["value_CV"]).reshape(-1, SYMBOL_CHOICES))
        beta, decay = 2 * sigmoid(n @ weights["beta_CJ"][:, tick]), np.cos(n @ weights["angle_CJ"][:, tick])
        slots = decay * (slots - beta * np.outer(key, key @ slots)) + beta * np.outer(key, value.reshape(-1))
        halts = 1 if tick == 2 else sigmoid((h @ weights["halt_C1"])[0] + weights["halt_bias"][0] + INITIAL_HALT)
        y, bank, ticks = y + left_over * halts * h, bank + left_over * halts * slots, ticks + left_over
        left_over *= 1 - halts
    return normed(y) @ weights["out_CC"], ticks, bank


def normed(x):
    return x / np.sqrt((x**2).mean() + 1e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def unit(x):
    return x / np.sqrt((x**2).sum(-1, keepdims=True))


def test_writes_have_keys_of_length_one_betas_up_to_two_and_decays_of_both_signs(system):
    addresses = Tensor(drawn(200, NUM_OPERANDS, NUM_SLOTS))
    for tick in range(3):
        written = system.to_write(Tensor(drawn(200, DIM)), addresses, Tensor(np.ones((200, 1), np.float32)), tick)
        key, beta, value, decay = (part.asnumpy() for part in written)
        assert np.allclose((key**2).sum(1), 1, atol=1e-5)
        assert 0 < beta.min() < 0.5 and 1.5 < beta.max() < 2
        assert decay.min() < -0.5 and decay.max() > 0.5 and np.abs(decay).max() <= 1
        assert np.allclose(value.reshape(200, -1, SYMBOL_CHOICES).sum(2), 4, atol=1e-5)


def test_a_statement_reads_what_others_wrote(system):
    texts = drawn_texts(1, 2)
    alone, *_ = run(system, [part[:, 1:] for part in texts])
    after_another, *_ = run(system, texts)
    assert np.abs(alone.asnumpy()[0, 0] - after_another.asnumpy()[0, 1]).max() > 1e-3


def test_tokens_read_the_slots_as_they_stand():
    reader = SlotReader(8, NUM_SLOTS, SLOT_DIM, np.random.default_rng(0))
    ends = np.array([[0, 1, 0, 1, 0], [0, 0, 0, 1, 0]], np.float32)
    hears_BTP = places(Tensor(np.zeros((2, 5), np.int32)), Tensor(ends), 2)[2]
    x = np.tile(drawn(1, 1, 8), (2, 5, 1))  # the same question everywhere
    slots = drawn(2, 3, NUM_SLOTS, SLOT_DIM)
    read = reader(Tensor(x), hears_BTP, Tensor(slots)).asnumpy()
    key = unit(normed(x[0, 0]) @ reader.ask_DN.asnumpy())
    for row, token, place in ((0, 0, 0), (0, 1, 1), (0, 2, 1), (0, 3, 2), (1, 2, 0), (1, 4, 1)):
        assert np.allclose(key @ slots[row, place], read[row, token], atol=1e-4)


def test_pieces_give_what_the_whole_gives(system):
    texts = drawn_texts(2, 7)
    whole, _, states, _ = run(system, texts)
    results, slots = [], None
    for piece in zip(*(np.split(part, [3, 4], 1) for part in texts), strict=True):
        y, _, _, slots = run(system, piece, None, slots)
        results.append(y.asnumpy())
    assert np.allclose(np.concatenate(results, 1), whole.asnumpy(), atol=1e-4)
    assert np.allclose(slots.asnumpy(), states.asnumpy()[:, -1], atol=1e-4)


def test_what_comes_later_other_rows_and_padding_change_nothing(system):
    texts = drawn_texts(2, 7)
    whole = run(system, texts)[0].asnumpy()
    for part in texts:
        part[0, 4:] += 1
    y, ticks, states, _ = run(system, texts, np.array([7, 5]))
    assert np.array_equal(y.asnumpy()[0, :4], whole[0, :4]) and np.abs(y.asnumpy()[0, 4:] - whole[0, 4:]).max() > 1e-3
    assert np.allclose(y.asnumpy()[1, :5], whole[1, :5], atol=1e-6) and (y.asnumpy()[1, 5:] == 0).all()
    assert (ticks.asnumpy()[1, 5:] == 1).all()
    assert np.allclose(states.asnumpy()[1, -1], run(system, [part[1:, :5] for part in texts])[2].asnumpy()[0, -1], atol=1e-6)


class Loss(nn.Cell):
    def __init__(self, system, reader):
        super().__init__()
        self.system, self.reader = system, reader

    def construct(self, statements, words, is_statement, slots, x, hears):
        y, ticks, states, _ = self.system(statements, words, is_statement, slots)
        return (y * y).sum() + (states * states).sum() + ticks.sum() + (self.reader(x, hears, states) ** 2).sum()


def test_every_parameter_and_the_slots_have_a_gradient(system):
    reader = SlotReader(8, NUM_SLOTS, SLOT_DIM, np.random.default_rng(0))
    loss = Loss(system, reader)
    parameters = list(loss.trainable_params())
    hears = np.zeros((2, 5, 4), np.float32)
    hears[:, np.arange(5), [0, 0, 1, 2, 3]] = 1
    inputs = [*drawn_texts(2, 4), np.ones((2, 4), np.float32), drawn(2, NUM_SLOTS, SLOT_DIM), drawn(2, 5, 8), hears]
    gradients_of = ms.grad(loss, (0, 1, 3, 4), ms.ParameterTuple(parameters))
    for _ in range(2):
        of_inputs, of_parameters = gradients_of(*map(Tensor, inputs))
        for name, gradient in zip([*"swbx", *(p.name for p in parameters)], (*of_inputs, *of_parameters), strict=True):
            assert np.isfinite(gradient.asnumpy()).all() and np.abs(gradient.asnumpy()).max() > 0, name


def test_what_is_written_by_a_name_is_read_by_it():
    """In a fresh system: a write with beta 1 by an operand's address is what the operand reads afterwards."""
    system = ExecutionSystem(*SIZES, NUM_SLOTS, SLOT_DIM, 1, np.random.default_rng(0))
    known = system.known(*map(Tensor, drawn_texts(2, 1)), Tensor(np.ones((2, 1), np.float32))).asnumpy()[0]
    address = known[:, -NUM_OPERANDS * NUM_SLOTS :].reshape(2, NUM_OPERANDS, NUM_SLOTS)[:, 0]
    value = drawn(2, SLOT_DIM)
    slots = write(Tensor(drawn(2, NUM_SLOTS, SLOT_DIM)), Tensor(address), Tensor(np.ones((2, 1), np.float32)), Tensor(value))
    assert np.allclose(np.einsum("bn,bnv->bv", address, slots.asnumpy()), value, atol=1e-5)


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match="max_ticks of the execution system: expected 1 to 8, got 9"):
        ExecutionSystem(*SIZES, NUM_SLOTS, SLOT_DIM, 9, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"num_slots .* at least 2, got 1"):
        ExecutionSystem(*SIZES, 1, SLOT_DIM, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"slot_dim .* a multiple of 16, got 24"):
        ExecutionSystem(*SIZES, 4, 24, 2, np.random.default_rng(0))
