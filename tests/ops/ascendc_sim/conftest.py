"""Simulated launches of the kernels in this folder; everything here is skipped where there is no g++."""

from pathlib import Path

import numpy as np
import pytest

from sfm_ms.ops import ascendc_sim

KERNELS = Path(__file__).with_name("kernels")


def pytest_collection_modifyitems(items):
    if reason := ascendc_sim.why_not():
        for item in items:
            if Path(item.path).parent == KERNELS.parent:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(params=["910A", "910B"])
def chip(request):
    return request.param


@pytest.fixture
def random():
    return np.random.default_rng(0)
