"""Where the stacks of a sweep run: in processes, or as tasks of a cluster."""
