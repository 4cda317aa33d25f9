"""The signed scan in Ascend C: one kernel for the 910 and the 910B."""
