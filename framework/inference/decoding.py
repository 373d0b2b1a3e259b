"""Step-by-step decoding: a decoder reads a start symbol first, then its own last output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.types import Params
from framework.data.dataset import Field
from framework.nn.heads import Head
from framework.nn.network import Network, Node


def greedy(y: Array) -> Array:
    """The most likely symbols (..., N) of predictions (..., N, K)."""
    return y.argmax(-1)


@dataclass(frozen=True)
class Decoder:
    """The part of a network that reads a field of ids with one symbol more than the target. That additional one is the start
    symbol; in training, the target follows, one step late.

    Attributes:
        field: the field of the batch that it reads.
        start: the start symbol.
    """

    field: str
    start: int

    def says(
        self, network: Network, p: Mapping[str, Params], head: Head, ctx: Context, choose: Callable[[Array], Array] = greedy
    ) -> Iterator[tuple[Array, Array]]:
        """Yield symbols (..., N) and the head's predictions (..., N, K) that chose them, step after step, without an end.
        The input of the encoder is computed once; of the decoder's own field in the batch only the shape is used.

        Args:
            p: tensors of the network.
            choose: predictions (..., N, K) -> the symbols (..., N) of the output, which are read next.
        """
        steps = stepwise(network, self.field)
        once = replace(network, nodes={name: node for name, node in network.nodes.items() if name not in steps})
        values, _ = once.forward(p, ctx.but(train=False))
        given, stepper = {name: values[name] for name in once.nodes}, replace(network, nodes={**network.nodes, **steps})
        # No masks: the decoder's output has a different length.
        read = {s: ctx.batch[s] for name in steps for s in network.nodes[name].sources if s in ctx.batch}
        said, carry, runs = ctx.xp.full_like(ctx.batch[self.field][..., :1, :], self.start), ctx.carry, network
        while True:
            here = ctx.but(train=False, batch={**read, self.field: said}, carry=carry)
            values, caches = runs.forward(p, here, given)
            y = head.prediction(values, ctx)[..., 0, :, :]
            said = choose(y)
            yield said, y
            said, carry = said[..., None, :], network.carry(caches)
            runs = stepper


def decoder_of(network: Network, fields: Mapping[str, Field], target: str | None) -> Decoder:
    """The decoder of a network.


    Raises:
        ValueError: the network has no decoder, or one that cannot run step by step; the message gives the reason.
    """
    about = fields.get(str(target))
    if about is None or about.kind != "label" or about.axes != "NT":
        raise ValueError(f"the target '{target}' is not a sequence of symbols")
    read = {s for node in network.nodes.values() for s in node.sources}
    found = [n for n, f in fields.items() if n in read and (f.kind, f.axes, f.size) == ("id", "NT", about.size + 1)]
    if not found:
        raise ValueError(f"the network has no decoder: no layer reads '{target}' with a start symbol")
    steps = stepwise(network, found[0])
    known = network.shapes
    for name, node in steps.items():
        if getattr(node.layer, "reverse", False):
            raise ValueError(f"the layer '{name}' of the decoder reads in reverse, but later steps are not known yet")
        whole = [s for s in node.sources if s not in steps and s != found[0] and known[s][:1] == (None,)]
        if whole:
            raise ValueError(f"the layer '{name}' of the decoder reads all of '{whole[0]}'; it must run step by step")
    return Decoder(found[0], about.size)


def stepwise(network: Network, field: str) -> dict[str, Node]:
    """The nodes that depend on `field`, as they run at every step. A node that carries a state only reads its sequence: its
    initial state comes from another node."""
    steps: dict[str, Node] = {}
    for name, node in network.nodes.items():
        if any(s in steps or s == field for s in node.sources):
            steps[name] = replace(node, source=node.sources[0]) if hasattr(node.layer, "carry") else node
    return steps
