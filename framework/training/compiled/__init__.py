"""The compiled tier: the array form of a training step is traced, becomes C, and runs for one replica at a time."""
