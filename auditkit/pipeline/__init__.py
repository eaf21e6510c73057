"""The use cases: plan, load, run, gates, journal."""
