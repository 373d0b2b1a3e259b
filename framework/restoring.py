"""The former module of `framework.load`, which models logged to MLflow by earlier versions import."""

from framework.experiments.loading import load

__all__ = ["load"]
