"""Sets MindSpore's context once, before any test module imports it; property tests draw the same examples every time."""

import os

# Two workers on two cores: more threads inside each would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SFM_DEVICE", "CPU")  # also on machines with Ascend

from hypothesis import settings

from sfm_ms.train import runtime

runtime.start()
settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
settings.load_profile("reproducible")
