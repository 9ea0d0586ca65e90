"""A recipe and a corpus to a model folder: the method, the trainer, its health, checkpoints and model card."""
