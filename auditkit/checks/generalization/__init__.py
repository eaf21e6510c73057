"""Whether what was learnt holds on new rows."""
