"""What models are trained on: generators, text forms, scorers and ground truth. NumPy and the standard library only."""
