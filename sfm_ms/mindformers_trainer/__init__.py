"""Thinker for MindFormers' own Trainer: what its YAMLs name, registered by importing `registered`. Needs MindFormers."""
