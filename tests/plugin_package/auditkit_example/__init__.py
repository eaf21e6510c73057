"""A check from another package."""
