"""From tables to batches: read and check, split, tokenise, and put labelled and unlabelled rows into batches."""
