"""Torch files of third parties: what the parent checks as bytes without torch, and how the worker loads them."""
