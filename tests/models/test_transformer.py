"""Which tokens' outputs are read after a statement."""

import numpy as np
import pytest
from mindspore import Tensor

from sfm_ms.models.transformer import pooling


@pytest.mark.parametrize("reads_last", [False, True])
def test_pooling_of_ragged_programs(reads_last):
    rng = np.random.default_rng(0)
    statements = np.array([[[5, 1, 6, 0], [5, 1, 5, 2], [0, 0, 0, 0]], [[5, 0, 0, 0], [5, 1, 7, 0], [6, 1, 7, 8]]])
    outputs = rng.normal(size=(2, 13, 3)).astype(np.float32)
    is_real = np.concatenate([np.ones((2, 1)), statements.reshape(2, -1) > 0], axis=1)
    count = is_real.cumsum(1)
    weights = pooling(Tensor(is_real.astype(np.float32)), Tensor(count.astype(np.float32)), 3, reads_last).asnumpy()
    for row in range(2):
        for t in range(3):
            seen = outputs[row, : 1 + 4 * (t + 1)][is_real[row, : 1 + 4 * (t + 1)] > 0]
            expected = seen[-1] if reads_last else seen.mean(0)
            assert np.allclose(weights[row, t] @ outputs[row], expected, atol=1e-6), (row, t)
