"""Methods side by side on the same rows: tasks, splits, methods, runs, statistics, plots and the report."""
