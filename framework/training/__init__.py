"""Training: the loop, one step, what decides its end."""

from framework.training.trainer import train

__all__ = ["train"]
