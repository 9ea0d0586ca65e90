"""The label of a row that has none, known to tables, which do without torch, and to losses."""

UNLABELLED = -100
"""`torch.nn.functional.cross_entropy` ignores it."""
