"""Training: one small loop, its checkpoints, its history."""
