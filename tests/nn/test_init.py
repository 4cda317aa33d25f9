"""Initial values that have more to them than a spread."""

import numpy as np
import pytest

from sfm_ms.nn.init import spread_table


@pytest.mark.parametrize("num_columns", [3, 5, 16])
def test_rows_of_a_spread_table_lean_towards_columns_of_their_own_as_long_as_there_are_any(num_columns):
    for seed in range(20):
        parameter = spread_table(np.random.default_rng(seed), (5, num_columns), std=0.01)
        assert len(set(parameter.asnumpy().argmax(1))) == min(5, num_columns)
        assert parameter.is_table
