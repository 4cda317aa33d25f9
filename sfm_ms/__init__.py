"""sfm_ms: train State-Flow Machines on MindSpore."""

__version__ = "0.1.0"
