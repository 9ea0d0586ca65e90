"""Honest comparison: tasks, splits, methods, runs, their figures, and how they are shown."""
