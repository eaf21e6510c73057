"""How well the model does, beside what costs nothing."""
