"""The gated delta rule in Ascend C: kernels for the 910 and the 910B, and how MindSpore calls them."""
