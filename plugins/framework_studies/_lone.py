"""How the trainings of a study differ from the one that the configuration describes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any


def lone(options: Any, **changes: Any) -> Any:
    """The trainer's options for a training that goes its whole way, measures no more than it must and leaves nothing."""
    never = replace(options.early_stopping, patience=None)
    return replace(options, early_stopping=never, keep="last", train_metrics=False, checkpoint_every=None, **changes)


def check_probes(experiment: Any) -> None:
    """
    Raises:
        ValueError: probes were asked for.
    """
    if experiment.settings.probes:
        raise ValueError(f"probes: this study has no room for them ({', '.join(experiment.settings.probes)})")
