"""Names of the tasks of the registry, for commands that are to say at once what they were not given."""

from __future__ import annotations

TASK_NAMES = ("qc-coarse", "qc-fine", "sst5", "20n", "20n-stripped", "mnli-m", "mnli-mm")
