"""The gated delta rule in Ascend C: kernels for the 910, what surrounds them, and how the simulator runs them."""
