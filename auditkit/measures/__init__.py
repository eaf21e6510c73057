"""Measures as pure functions on arrays: a documented library of its own."""
