"""A model folder to predictions: labels, confidence and novelty, in memory or streamed from file to file."""
