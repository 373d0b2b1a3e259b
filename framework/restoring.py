"""The old place of `framework.load`, which models logged to MLflow by earlier versions name."""

from framework.experiments.loading import load

__all__ = ["load"]
