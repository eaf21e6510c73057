"""The child process in which model files load and predict, and the parent's side of it.

The parent sends features, never labels; the child answers arrays, which the parent checks before it believes them.
"""
