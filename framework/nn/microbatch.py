"""The first image layers of a network, run on blocks of a few examples, several blocks at once.

The images of a block stay in the processor's cache from layer to layer. One block per thread keeps all cores busy, where
single products are too small to be divided. The blocks do not depend on the number of threads, so neither do the
results.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.threads import blas_threads
from framework.core.types import Params, Shape
from framework.nn.network import Network, Values

BLOCK = 1 << 20  # values that the layers of a block output; measured: 16 images of 28 x 28 through 32 and 64 maps
PARTS = "(blocks)"  # the key of the blocks' caches


class MicrobatchedNetwork:
    """A network whose first layers run in blocks; forward and backward as in `Network`.

    Args:
        network: the whole network.
        front: names of its first nodes, which run in blocks.
        shapes: node -> output shape.
        read: nodes whose outputs are also read by heads or probes.
        threads: how many blocks run at once.
    """

    def __init__(
        self, network: Network, front: Sequence[str], shapes: Mapping[str, Shape], read: Collection[str], threads: int
    ) -> None:
        self.network, nodes = network, network.nodes
        self.front = Network({name: nodes[name] for name in front}, network.fields)
        rest = {name: node for name, node in nodes.items() if name not in front}
        sources = {s for node in rest.values() for s in node.sources}
        self.handed = tuple(name for name in front if name in sources)
        self.outputs = tuple(name for name in front if name in sources or name in read)
        self.fields = {s for node in self.front.nodes.values() for s in node.sources} & set(network.fields)
        fields = {**network.fields, **{name: shapes[name] for name in front}}
        self.rest = Network(rest, fields) if rest else None
        for part in (self.front, *([self.rest] if self.rest else [])):
            part.know({**network.fields, **shapes})
        self.numbers = sum(prod(shapes[name]) for name in front)  # per example and replica
        self.pool = ThreadPoolExecutor(threads)

    def forward(self, p: Mapping[str, Params], ctx: Context) -> tuple[Values, dict[str, Any]]:
        """Outputs and caches; of the front, only the outputs that something else reads. A single block runs as a whole."""
        blocks = self._blocks(ctx)
        if len(blocks) == 1:
            return self.network.forward(p, ctx)

        def block(rows: slice) -> tuple[Values, dict[str, Any], Context]:
            here = ctx.but(batch={name: _rows(ctx.batch[name], rows, ctx) for name in self.fields})
            values, caches = self.front.forward(p, here)
            return {name: values[name] for name in self.outputs}, caches, here

        parts = list(self.pool.map(_without_warnings(block), blocks))
        values = {name: np.concatenate([part[0][name] for part in parts], len(ctx.replicas)) for name in self.outputs}
        caches: dict[str, Any] = {}
        if self.rest:
            values, caches = self.rest.forward(p, ctx, values)
        return {**ctx.batch, **values}, {**caches, PARTS: [part[1:] for part in parts]}

    def backward(
        self,
        p: Mapping[str, Params],
        caches: Mapping[str, Any],
        dvalues: Mapping[str, Array],
        g: Mapping[str, Params],
        ctx: Context,
    ) -> Values:
        """Write the gradient of every trained tensor into `g`, summed over blocks in order; return the gradients of the
        values that `forward` was given."""
        if PARTS not in caches:
            return self.network.backward(p, caches, dvalues, g, ctx)
        of_front = {node: g[node] for node in self.front.nodes if node in g}
        if self.rest:
            of_rest = {node: g[node] for node in g if node not in of_front}
            dvalues = self.rest.backward(p, caches, dvalues, of_rest, ctx, self.handed)
        known = {name: dy for name, dy in dvalues.items() if name in self.front.nodes}

        def block(rows: slice, own: Mapping[str, Any], here: Context) -> tuple[dict[str, Params], Values]:
            into = {node: {t: np.empty_like(dW) for t, dW in tensors.items()} for node, tensors in of_front.items()}
            found = self.front.backward(p, own, {name: _rows(dy, rows, ctx) for name, dy in known.items()}, into, here)
            return into, {name: found[name] for name in self.outputs if name in found}

        blocks = [(rows, *part) for rows, part in zip(self._blocks(ctx), caches[PARTS], strict=True)]
        parts = list(self.pool.map(_without_warnings(lambda args: block(*args)), blocks))
        for i, (part, _) in enumerate(parts):
            for node, tensors in of_front.items():
                for t, dW in tensors.items():
                    np.add(dW, part[node][t], out=dW) if i else np.copyto(dW, part[node][t])
        front = {
            n: np.concatenate([found[n] for _, found in parts], len(ctx.replicas))
            for n in parts[0][1]
            if n not in self.handed
        }
        return {**dvalues, **front}

    def carry(self, caches: Mapping[str, Any]) -> Values:
        """The final states of the layers, as in `Network`."""
        return self.network.carry(caches)

    def blocks(self, n: int, replicas: int) -> list[slice]:
        """The blocks of a batch of n examples."""
        size = max(1, BLOCK // (self.numbers * replicas))
        return [slice(start, min(start + size, n)) for start in range(0, n, size)]

    def _blocks(self, ctx: Context) -> list[slice]:
        n = ctx.batch[next(iter(self.fields))].shape[len(ctx.replicas)]
        return self.blocks(n, prod(ctx.replicas))


def _without_warnings(run: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Disable floating-point warnings, which a new thread enables: non-finite values are detected where they are read."""

    def quiet(block: Any) -> Any:
        with np.errstate(all="ignore"):
            return run(block)

    return quiet


def in_blocks(
    network: Network, shapes: Mapping[str, Shape], read: Collection[str], threads: int | None
) -> Network | MicrobatchedNetwork:
    """The network, with its front in blocks if it has one.

    Args:
        shapes: node -> output shape.
        read: nodes whose outputs are also read by heads or probes.
        threads: how many blocks run at once; None: as many as BLAS uses.
    """
    names = front(network, shapes)
    return MicrobatchedNetwork(network, names, shapes, read, threads or blas_threads()) if names else network


def front(network: Network, shapes: Mapping[str, Shape]) -> list[str]:
    """The first nodes that read or produce images and treat every example separately; none where tensors are shared."""
    names: list[str] = []
    known = {**network.fields, **shapes}
    for name, node in network.nodes.items():
        images = [len(known[n]) == 3 for n in (*node.sources, name)]
        apart = getattr(node.layer, "per_example", False) and not hasattr(node.layer, "updates") and node.share is None
        if not (apart and any(images) and all(s in names or s in network.fields for s in node.sources)):
            break
        names.append(name)
    owners = {node.share for node in network.nodes.values()}
    return [] if owners.intersection(names) else names


def _rows(a: Array, rows: slice, ctx: Context) -> Array:
    """The examples `rows` of an array (..., N, any core axes)."""
    return a[(slice(None),) * len(ctx.replicas) + (rows,)]
