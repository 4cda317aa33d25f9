"""Sets MindSpore's context once, before any test module imports it."""

import os

# Two workers on two cores: more threads inside each would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from sfm_ms.train import runtime

runtime.start()
