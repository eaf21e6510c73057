"""Whether the model remembers rather than learns."""
