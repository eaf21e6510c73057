"""Kinds of input, one file each."""
