"""From tables to tokens: formats, checked rows, the corpus of a run, its review, and token ids in padded batches."""
