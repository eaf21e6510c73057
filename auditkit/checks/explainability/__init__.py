"""What the answers rest on, and whether the explanations hold."""
