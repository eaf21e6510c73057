"""Whether the data can carry an audit."""
