"""`Network`: nodes in order; caches flow forward, gradients backward.

A node reads the previous node unless it names its sources; the first node reads the first field of the batch.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from framework.core.arrays import Array
from framework.core.blame import blame
from framework.core.context import Context
from framework.core.inspection import check_components
from framework.core.protocols import Activation, Layer
from framework.core.random import Key, generator
from framework.core.types import Params, Shape
from framework.nn import contracts, table
from framework.nn.arena import Arena, TensorName
from framework.nn.drawing import given_values, named

Values = dict[str, Array]
NO_PARAMS: Params = {}
Drawn = tuple[dict[str, Params], dict[str, Shape]]
PREVIEWED: list[tuple[weakref.ref[Network], Key, Drawn]] = []  # at most one


@dataclass(frozen=True)
class Node:
    """A layer and its position in the network.

    Attributes:
        layer: the layer that runs.
        source: the node or batch field it reads, several as a tuple, or None for the node before.
        share: the node whose tensors it uses.
        frozen: its tensors are kept but not trained.
        initial: tensor -> rows of numbers, instead of the initial values that the layer would draw.
    """

    layer: Layer
    source: str | tuple[str, ...] | None = None
    share: str | None = None
    frozen: bool = False
    initial: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources, always as a tuple."""
        return (self.source,) if isinstance(self.source, str) else tuple(self.source or ())


class BackwardStep(NamedTuple):
    """One node of a backward pass, with everything that stays constant from step to step."""

    name: str
    layer: Layer
    owner: str  # the node whose tensors it uses
    first: bool  # the first to write their gradients; later nodes add to them
    sources: tuple[str, ...]
    single: bool  # x is one array, not a tuple
    wanted: tuple[bool, ...]  # which sources need a dx
    need_dx: bool


class BackwardPlan(NamedTuple):
    """The nodes a backward pass visits, last first, and the owners of tensors that no head reaches."""

    steps: list[BackwardStep]
    unreached: list[str]
    checked: list[bool]  # empty until a pass has been checked


@dataclass(frozen=True)
class Network:
    """Nodes in order, with forward and backward passes.

    Args:
        nodes: name -> Node, or a bare layer.
        fields: the batch fields that nodes read, with their shapes without N; the first is what the first node reads.

    Raises:
        ValueError: a name is used twice, or a source or shared node is not defined before its reader.
        ConfigError: a layer lacks a method, or an option of it is not what its field declares.
    """

    nodes: Mapping[str, Node]
    fields: Mapping[str, Shape]

    def __post_init__(self) -> None:
        nodes = _linked(self.nodes, self.fields)
        check_components("layer", {f"model.layers.{name}": node.layer for name, node in nodes.items()})
        object.__setattr__(self, "nodes", nodes)

    def __repr__(self) -> str:
        known: dict[TensorName, tuple[int, ...]] = vars(self).get("tensor_shapes", {})  # to find them, it would draw tensors
        tensors: dict[str, dict[str, tuple[int, ...]]] = {}
        for (node, t), shape in known.items():
            tensors.setdefault(node, {})[t] = shape
        reads = ", ".join(f"{name} {shape}" for name, shape in self.fields.items())
        lines = table.rows(self.nodes, tensors, vars(self).get("shapes", {}))
        return "\n".join([f"Network of {len(self.nodes)} nodes; fields: {reads}", *table.text(lines)])

    def init(self, key: Key) -> Drawn:
        """The initial tensors of one replica, each node from its own stream, and the output shape of every node."""
        for network, known, drawn in PREVIEWED:
            if network() is self and known == key:
                PREVIEWED.clear()
                return drawn
        return self._draw(key)

    def preview(self, key: Key) -> Drawn:
        """The initial tensors, as `init` returns them; the next `init` with this key returns the same arrays, so that a run
        initializes its network once."""
        drawn = self._draw(key)
        PREVIEWED[:] = [(weakref.ref(self), key, drawn)]
        return drawn

    @functools.cached_property
    def shapes(self) -> dict[str, Shape]:
        """Output shape of every field and node, without N."""
        return dict(self._draw(0)[1])

    @functools.cached_property
    def tensor_shapes(self) -> dict[TensorName, tuple[int, ...]]:
        """(node, tensor) -> shape."""
        return {(name, t): a.shape for name, p in self._draw(0)[0].items() for t, a in p.items()}

    def _draw(self, key: Key) -> Drawn:
        shapes: dict[str, Shape] = dict(self.fields)
        tensors: dict[str, Params] = {}
        for name, node in self.nodes.items():
            sources = node.sources
            in_shape = shapes[sources[0]] if isinstance(node.source, str) else tuple(shapes[s] for s in sources)
            with named(name, node.layer, in_shape):
                drawn = node.layer.init(generator(key, f"init/{name}"), in_shape)
                contracts.check_drawn(drawn)
                p, shapes[name] = drawn
                p = {**p, **{t: given_values(t, rows, p) for t, rows in node.initial.items()}}
            if node.share is None:
                tensors[name] = p
            elif {t: a.shape for t, a in tensors[node.share].items()} != {t: a.shape for t, a in p.items()}:
                raise ValueError(
                    f"model.layers.{name}: its tensors and those of '{node.share}', which it shares, differ in shape"
                )
        vars(self).setdefault("shapes", dict(shapes))
        vars(self).setdefault("tensor_shapes", {(name, t): a.shape for name, p in tensors.items() for t, a in p.items()})
        return tensors, shapes

    def arena(self, tensors: Mapping[str, Params]) -> Arena:
        """The arena's layout for the given tensors."""
        shapes = {(name, t): a.shape for name, p in tensors.items() for t, a in p.items()}
        for (name, t), shape in shapes.items():
            if len(shape) != 2:
                raise ValueError(
                    f"model.layers.{name}: parameter {t} has shape {shape}; every parameter has exactly two core axes"
                )
        return Arena(shapes, [key for key in shapes if self._is_untrained(key)])

    def _is_untrained(self, tensor: TensorName) -> bool:
        node = self.nodes[tensor[0]]
        return node.frozen or tensor[1] in getattr(node.layer, "buffers", ())

    def forward(
        self, p: Mapping[str, Params], ctx: Context, given: Mapping[str, Array] | None = None
    ) -> tuple[Values, dict[str, Any]]:
        """Outputs and caches by node. Nodes in `given` are not run."""
        values: Values = {**ctx.batch, **(given or {})}
        caches: dict[str, Any] = {}
        is_first = ctx.train and not self._checked
        try:
            for name, node in self.nodes.items():
                if given and name in given:
                    continue
                source = node.source
                x = values[source] if isinstance(source, str) else tuple(values[s] for s in node.sources)
                result = node.layer.forward(p.get(node.share or name, NO_PARAMS), x, ctx.at(name))
                if is_first:
                    self._check_output(name, result, values, p, ctx)
                values[name], caches[name] = result
        except Exception as error:
            blame(error, f"{contracts.called(name, node.layer)}: forward")
            raise
        if is_first:
            self._checked.append(True)
        return values, caches

    def backward(
        self,
        p: Mapping[str, Params],
        caches: Mapping[str, Any],
        dvalues: Mapping[str, Array],
        g: Mapping[str, Params],
        ctx: Context,
        fields: tuple[str, ...] = (),
    ) -> Values:
        """Write the gradient of every trained tensor into `g`; return the gradients of the requested values.

        Args:
            dvalues: node -> gradient of the loss with respect to its output, from the heads.
            g: views of a gradient arena (..., P). A tensor is assigned on first use and added to where it is shared.
            fields: batch fields whose gradients are also returned.
        """
        dvalues, plan = dict(dvalues), self._plan(tuple(dvalues), tuple(g), fields)
        is_first = not plan.checked
        try:
            for step in plan.steps:
                name, layer, owner, first, sources, single, wanted, need_dx = step
                result = layer.backward(p.get(owner, NO_PARAMS), caches[name], dvalues[name], ctx.at(name), need_dx)
                if is_first:
                    self._check_gradients(step, result, dvalues[name], p, g, ctx)
                dx, grads = result
                if owner in g:
                    _write(grads, g[owner], first)
                if need_dx:
                    for source, want, d in zip(sources, wanted, (dx,) if single else dx, strict=True):  # type: ignore[arg-type]
                        if want:
                            dvalues[source] = dvalues[source] + d if source in dvalues else d
        except Exception as error:
            blame(error, f"{contracts.called(name, layer)}: backward")
            raise
        if is_first:
            plan.checked.append(True)
        for owner in plan.unreached:
            for dW in g[owner].values():
                dW[...] = 0
        return dvalues

    def know(self, shapes: Mapping[str, Shape]) -> None:
        """Take over the shapes of an equal network, so that they need not be found again."""
        vars(self).setdefault("shapes", {name: shapes[name] for name in (*self.fields, *self.nodes)})

    @functools.cached_property
    def _checked(self) -> list[bool]:
        """Empty until a forward pass of a training has been checked."""
        return []

    def _check_output(self, name: str, result: Any, values: Values, p: Mapping[str, Params], ctx: Context) -> None:
        shapes, node = vars(self).get("shapes", {}), self.nodes[name]
        source = node.sources[0]
        n = contracts.examples_of(values[source], shapes.get(source), ctx.replicas)
        who, dtype = contracts.called(name, node.layer), contracts.dtype_of(p)
        if not p.get(node.share or name) and all(values[s].dtype != dtype for s in node.sources):
            dtype = None  # zeros and ones made from ids, in any dtype
        contracts.check_output(who, result, shapes.get(name), n, ctx.replicas, dtype)

    def _check_gradients(
        self, step: BackwardStep, result: Any, dy: Array, p: Mapping[str, Params], g: Mapping[str, Params], ctx: Context
    ) -> None:
        who, shapes = contracts.called(step.name, step.layer), vars(self).get("shapes", {})
        contracts.check_gradients(who, result, p.get(step.owner, NO_PARAMS), g.get(step.owner), step.need_dx)
        if step.need_dx:
            n = contracts.examples_of(dy, shapes.get(step.name), ctx.replicas)
            of = {"n": n, "replicas": ctx.replicas, "dtype": contracts.dtype_of(p)}
            dx = (result[0],) if step.single else result[0]
            contracts.check_dx(who, dx, step.sources, shapes, step.wanted, **of)

    @functools.cached_property
    def _plans(self) -> dict[tuple[tuple[str, ...], ...], BackwardPlan]:
        return {}

    def _plan(self, *key: tuple[str, ...]) -> BackwardPlan:
        """The backward plan for a choice of heads, trained nodes and fields; cached."""
        if key not in self._plans:
            self._plans[key] = _backward_plan(self.nodes, *key)
        return self._plans[key]

    def after(self, p: Mapping[str, Params], caches: Mapping[str, Any], ctx: Context) -> None:
        """Run what layers do in place after each update: projections of tensors, new values of buffers."""
        for name, node in self._with_after:
            owner = node.share or name
            if hasattr(node.layer, "updates"):
                for t, value in node.layer.updates(p[owner], caches[name], ctx.at(name)).items():
                    p[owner][t][...] = value
            if hasattr(node.layer, "project") and not node.frozen:
                node.layer.project(p[owner], ctx.at(name))

    @functools.cached_property
    def activations(self) -> tuple[str, ...]:
        """The nodes that apply an activation: those whose layer holds one as its `function`."""
        return tuple(n for n, node in self.nodes.items() if isinstance(getattr(node.layer, "function", None), Activation))

    @functools.cached_property
    def _with_after(self) -> list[tuple[str, Node]]:
        return [
            (n, node) for n, node in self.nodes.items() if hasattr(node.layer, "updates") or hasattr(node.layer, "project")
        ]

    def carry(self, caches: Mapping[str, Any]) -> Values:
        """The final states of the layers that have one and have run, for the next chunk of a sequence."""
        ran = [(n, self.nodes[n].layer) for n in caches if n in self.nodes]
        return {n: layer.carry(caches[n]) for n, layer in ran if hasattr(layer, "carry")}


def _linked(nodes: Mapping[str, Node | Layer], fields: Mapping[str, Shape]) -> dict[str, Node]:
    known, before = set(fields), next(iter(fields))
    linked: dict[str, Node] = {}
    for name, given in nodes.items():
        node = given if isinstance(given, Node) else Node(given)
        if name in known:
            raise ValueError(f"model.layers.{name}: this name is used already, by a field of the data or by another node")
        node = replace(node, source=before) if node.source is None else node
        for s in node.sources:
            if s not in known:
                raise ValueError(
                    f"model.layers.{name}: input '{s}' is not defined before this layer (known: {', '.join(sorted(known))})"
                )
        if node.share is not None and node.share not in linked:
            raise ValueError(f"model.layers.{name}: share: '{node.share}' is not a node before this layer")
        if node.share is not None and linked[node.share].share is not None:
            owner = linked[node.share].share
            raise ValueError(f"model.layers.{name}: share: '{node.share}' uses the tensors of '{owner}'; share '{owner}'")
        if node.share is not None and node.initial:
            raise ValueError(
                f"model.layers.{name}.initial: its tensors are those of '{node.share}'; set initial values there"
            )
        if node.share is not None and node.frozen:
            raise ValueError(f"model.layers.{name}: its tensors are those of '{node.share}'; freeze them there")
        linked[name] = node
        known.add(name)
        before = name
    return linked


def _write(grads: Params, into: Params, first: bool) -> None:
    """Assign gradients to the arena's views, or add them; frozen tensors have no view."""
    for t, dW in grads.items():
        if t in into:
            if first:
                into[t][...] = dW
            else:
                into[t] += dW


def _backward_plan(
    nodes: Mapping[str, Node], heads: Collection[str], trained: Collection[str], fields: Collection[str]
) -> BackwardPlan:
    live = set(fields)  # and nodes with a trained tensor at or before them: only these need a dx
    for name, node in nodes.items():
        if (node.share or name) in trained or live.intersection(node.sources):
            live.add(name)
    reached, steps, written = set(heads), [], set()
    for name, node in reversed(list(nodes.items())):
        if name in reached and name in live:
            sources, owner = node.sources, node.share or name
            wanted = tuple(s in live for s in sources)
            reached.update(s for s, want in zip(sources, wanted, strict=True) if want)
            single, first = isinstance(node.source, str), owner not in written
            written.add(owner)
            steps.append(BackwardStep(name, node.layer, owner, first, sources, single, wanted, any(wanted)))
    return BackwardPlan(steps, [owner for owner in trained if owner not in written], [])


def slice_carry(carry: Mapping[str, Array], n: int, ctx: Context) -> dict[str, Array]:
    """The states (..., N, any core axes) of the first n streams: in the last batch, some streams have ended."""
    return {name: s[(slice(None),) * len(ctx.replicas) + (slice(n),)] for name, s in carry.items()}
