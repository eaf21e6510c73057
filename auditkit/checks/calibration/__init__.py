"""Whether scores can be taken as probabilities."""
