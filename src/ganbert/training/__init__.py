"""Train a model: the losses minimised, watched, saved, and taken up again where they stopped."""
