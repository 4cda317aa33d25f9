"""The signed scan in Ascend C: kernels for the 910 and the 910B, what surrounds them, and how the simulator runs them."""
