"""The reference recurrence against states that can be written down."""

import numpy as np

from sfm_ms.ops.gated_delta_rule.reference import gated_delta_rule


def run(keys, values, beta, **options):
    """One batch row, one head; queries are the keys."""
    k, v = np.array(keys, float)[None, :, None], np.array(values, float)[None, :, None]
    options = {name: np.array(option, float)[None, :, None] for name, option in options.items()}
    out, state = gated_delta_rule(k, k, v, np.array(beta, float)[None, :, None], scale=1.0, **options)
    return out[0, :, 0], state[0, 0]


def test_beta_one_replaces_what_the_key_read_and_nothing_else():
    out, state = run([[1, 0], [0, 1], [1, 0]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]], [1, 1, 1])
    assert np.allclose(out, [[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    assert np.allclose(state, [[7, 8, 9], [4, 5, 6]])


def test_beta_two_reflects():
    key = np.array([1, -1]) / np.sqrt(2)  # writing zero with beta 2 along (e1 - e2) swaps the two rows
    _, state = run([[1, 0], [0, 1], key], [[1, 2], [3, 4], [0, 0]], [1, 1, 2])
    assert np.allclose(state, [[3, 4], [1, 2]])


def test_decay_and_sign_act_before_the_write():
    _, state = run([[1, 0], [0, 1]], [[8], [1]], [1, 1], log_decay=[0, np.log(0.5)], sign=[1, -1])
    assert np.allclose(state, [[-4], [1]])


def test_split_sequence_carries_its_state_and_default_scale():
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(2, 9, 3, 4)), rng.normal(size=(2, 9, 3, 4)), rng.normal(size=(2, 9, 3, 5))
    k /= np.linalg.norm(k, axis=-1, keepdims=True)
    beta, log_decay = rng.uniform(0, 2, (2, 9, 3)), -rng.exponential(size=(2, 9, 3))
    out, state = gated_delta_rule(q, k, v, beta, log_decay)
    first, middle = gated_delta_rule(q[:, :4], k[:, :4], v[:, :4], beta[:, :4], log_decay[:, :4])
    second, last = gated_delta_rule(q[:, 4:], k[:, 4:], v[:, 4:], beta[:, 4:], log_decay[:, 4:], initial_state=middle)
    assert np.allclose(np.concatenate([first, second], 1), out) and np.allclose(last, state)
    assert np.allclose(gated_delta_rule(q, k, v, beta, log_decay, scale=1.0)[0], 2 * out)  # K^-1/2 = 1/2
