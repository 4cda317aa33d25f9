"""The systems of a State-Flow Machine: Cells with state in and state out. No system imports another."""
