"""What a token recalls of its last use, by hand; nothing where there was none."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor

from sfm_ms.nn.last_use import LastUse


def test_by_hand():
    rng = np.random.default_rng(0)
    last_use, gain = LastUse(5, 2, rng), rng.normal(size=5).astype(np.float32)
    recalled = np.array([[[3, 0], [-1, 4], [-1, -1]]], np.int32)
    embedded = rng.normal(size=(1, 3, 2, 5)).astype(np.float32)
    assert not last_use(Tensor(recalled), Tensor(embedded)).asnumpy().any()  # a fresh one
    last_use.gain_D.set_data(Tensor(gain))
    of_one, of_two = np.split(last_use.recalled_XD.asnumpy(), 2)
    expected = [embedded[0, 0, 0] @ of_one + embedded[0, 0, 1] @ of_two, embedded[0, 1, 1] @ of_two, np.zeros(5)]
    assert np.allclose(last_use(Tensor(recalled), Tensor(embedded)).asnumpy()[0], gain * np.array(expected), atol=1e-5)
