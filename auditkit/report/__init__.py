"""Rendering an audit; never sees the model or the rows."""
