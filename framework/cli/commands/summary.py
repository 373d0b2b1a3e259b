"""`stackprop summary [overrides]`: the nodes of a network, without training it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from framework.config.composition import compose
from framework.data.validation import shown_names
from framework.experiments.experiment import prepare
from framework.nn.table import HEADER, of_weights, rows

FEATURES = 40  # names shown of each field


def main(arguments: Sequence[str]) -> int:
    """Print nodes, output shapes, parameters and bytes, and the names of features."""
    from rich.console import Console
    from rich.table import Table

    experiment = prepare(compose(list(arguments)))
    network, settings = experiment.learner.network, experiment.settings
    tensors, shapes = network.init(settings.seed)
    arena = network.arena(tensors)
    table = Table(*HEADER, box=None, pad_edge=False)
    for row in rows(network.nodes, of_weights(tensors), shapes):
        table.add_row(*row)
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
