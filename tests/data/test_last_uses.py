"""What is recalled of a token's last use: by hand, and against a search through all that was read."""

from __future__ import annotations

import numpy as np

from sfm_ms.data.last_uses import NEVER, LastUses


def recalled(tokens):
    uses = LastUses()
    return [uses.feed(token) for token in tokens]


def test_by_hand():
    assert recalled([5, 3, 5, 4, 3, 5]) == [(NEVER, NEVER), (NEVER, NEVER), (3, NEVER), (NEVER, NEVER), (5, NEVER), (4, 4)]
    assert recalled([7, 7, 7]) == [(NEVER, NEVER), (7, NEVER), (7, 7)]


def test_the_last_place_is_the_nearest():
    tokens = np.random.default_rng(0).integers(0, 4, 300).tolist()
    for t, found in enumerate(recalled(tokens)):
        for length, token in zip((1, 2), found, strict=True):
            context = tokens[max(0, t + 1 - length) : t + 1]
            ends = [p for p in range(length - 1, t) if tokens[p + 1 - length : p + 1] == context]
            assert token == (tokens[ends[-1] + 1] if ends else NEVER)
