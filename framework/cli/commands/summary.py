"""`stackprop summary [overrides]`: the nodes of a network, without training it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from framework.config.composition import compose
from framework.data.validation import shown_names
from framework.experiments.experiment import prepare

FEATURES = 40  # names shown of each field


def main(arguments: Sequence[str]) -> int:
    """Print nodes, output shapes, parameters and bytes, and the names of features."""
    from rich.console import Console
    from rich.table import Table

    experiment = prepare(compose(list(arguments)))
    network, settings = experiment.learner.network, experiment.settings
    tensors, shapes = network.init(settings.seed)
    arena = network.arena(tensors)
    table = Table("node", "layer", "reads", "output", "parameters", box=None, pad_edge=False)
    for name, node in network.nodes.items():
        reads = node.source if isinstance(node.source, str) else ", ".join(node.source or ())
        own = " + ".join(f"{t} {'x'.join(map(str, a.shape))}" for t, a in tensors.get(name, {}).items())
        count = sum(a.size for a in tensors.get(name, {}).values())
        shared = f"those of {node.share}" if node.share else ""
        about = f"{count:,}  ({own})" if count else shared
        table.add_row(name, type(node.layer).__name__, reads, str(shapes[name]), about + (" frozen" if node.frozen else ""))
    console = Console()
    console.print(table, markup=False, highlight=False)
    size = arena.P * np.dtype(settings.dtype).itemsize
    console.print(f"\n{arena.P:,} parameters, {size / 1024:,.1f} KiB as {settings.dtype}", highlight=False)
    for name, field in experiment.data.fields.items():
        if field.features:
            console.print(f"{name}: {shown_names(field.features, FEATURES)}", markup=False, highlight=False, soft_wrap=True)
    if arena.size > arena.P:
        console.print(f"{arena.size - arena.P:,} more in buffers and frozen nodes", highlight=False)
    return 0
