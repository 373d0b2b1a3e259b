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
        stepper, carry = self.stepper(network, p, head, ctx), None
        said = ctx.xp.full_like(ctx.batch[self.field][..., 0, :], self.start)
        while True:
            y, carry = stepper.step(said, carry)
            said = choose(y)
            yield said, y

    def stepper(self, network: Network, p: Mapping[str, Params], head: Head, ctx: Context) -> Stepper:
        """The decoder, ready to run step by step, after its encoder has run."""
        steps = stepwise(network, self.field)
        once = replace(network, nodes={name: node for name, node in network.nodes.items() if name not in steps})
        values, _ = once.forward(p, ctx.but(train=False))
        # No masks: the decoder's output has a different length.
        read = {s: ctx.batch[s] for name in steps for s in network.nodes[name].sources if s in ctx.batch}
        later = replace(network, nodes={**network.nodes, **steps})
        return Stepper(self.field, network, later, p, head, ctx, {name: values[name] for name in once.nodes}, read)


@dataclass(frozen=True)
class Stepper:
    """A decoder between two steps.

    Attributes:
        field: the field of the last symbol.
        network, later: what runs at the first step, and at later ones, where the initial state is not read.
        p, head, ctx: of the pass.
        given: the outputs of the encoder.
        read: the fields that the decoder reads.
    """

    field: str
    network: Network
    later: Network
    p: Mapping[str, Params]
    head: Head
    ctx: Context
    given: Mapping[str, Array]
    read: Mapping[str, Array]

    def step(self, said: Array, carry: Mapping[str, Array] | None) -> tuple[Array, Mapping[str, Array]]:
        """The head's predictions (..., N, K) after the symbols `said` (..., N), and the states; carry: None at the first."""
        runs, before = (self.network, self.ctx.carry) if carry is None else (self.later, carry)
        ctx = self.ctx.but(train=False, batch={**self.read, self.field: said[..., None, :]}, carry=before)
        values, caches = runs.forward(self.p, ctx, self.given)
        return self.head.prediction(values, self.ctx)[..., 0, :, :], self.network.carry(caches)

    def of(self, rows: Array) -> Stepper:
        """For some of the examples, perhaps repeated; without replica axes."""

        def some(name: str, a: Array) -> Array:
            return a[:, rows] if self.network.shapes[name][:1] == (None,) else a[rows]

        given, read = ({name: some(name, a) for name, a in held.items()} for held in (self.given, self.read))
        return replace(self, given=given, read=read)


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
        if getattr(node.layer, "whole_sequences", False):
            raise ValueError(f"the layer '{name}' of the decoder reads whole sequences; it must run step by step")
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
