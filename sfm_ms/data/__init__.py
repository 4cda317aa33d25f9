"""Batches: sample i is a pure function of (seed, i), so the data position is one integer."""
