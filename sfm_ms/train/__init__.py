"""Training: one trainer for every recipe (trainer.py; read it first)."""
