"""Adapts the configured training for a study."""

from __future__ import annotations

from dataclasses import replace
from typing import Any


def lone(options: Any, **changes: Any) -> Any:
    """The trainer's options for a training of full length, with few metrics and without checkpoints."""
    never = replace(options.early_stopping, patience=None)
    return replace(options, early_stopping=never, keep="last", train_metrics=False, checkpoint_every=None, **changes)


def check_probes(experiment: Any) -> None:
    """Check that no probes are configured.

    Raises:
        ValueError: there are probes.
    """
    if experiment.settings.probes:
        raise ValueError(f"probes: not supported by this study ({', '.join(experiment.settings.probes)})")
