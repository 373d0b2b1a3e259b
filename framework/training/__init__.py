"""Training: the loop, one step, early stopping, and the checks before it starts."""

from framework.training.trainer import train

__all__ = ["train"]
