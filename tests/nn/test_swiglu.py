"""The gated feed-forward layer against its formula in NumPy."""

import numpy as np
from mindspore import Tensor

from sfm_ms.nn.swiglu import SwiGlu


def test_against_the_formula():
    rng = np.random.default_rng(0)
    layer, x = SwiGlu(6, 10, rng), rng.normal(size=(2, 3, 6)).astype(np.float32)
    gate, up, down = (p.asnumpy().astype(np.float64) for p in (layer.gate_DH, layer.up_DH, layer.down_HD))
    gated = x @ gate
    true = (gated / (1 + np.exp(-gated)) * (x @ up)) @ down
    assert np.allclose(layer(Tensor(x)).asnumpy(), true, atol=1e-5)
