"""Checks of probes, on one training step of a small network.

Its nodes: `hidden1` (dense), `act1` (relu), `hidden2` (dense), `act2` (tanh), `out` (dense); the loss is the mean squared
error, the step that of plain gradient descent. All replicas read the same examples. A probe with `sequences = True` gets a
recurrent network instead: `rnn` (recurrent, lstm) and `out` (dense).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from framework.core.arrays import Array, to_host
from framework.core.callback import MEASURED
from framework.core.stacking import to_device
from framework.nn.heads import Head, total_loss
from framework.nn.network import Network
from framework.nn.training_step import PreviousStep, TrainingStep
from framework.registry.discovery import discover
from framework.testing.choices import check_choices
from framework.testing.double import Double
from framework.testing.purity import on_device, refuses, reported, untouched
from framework.testing.stacks import LEADS, alone, context, equal, merged, varied

N, STEPS, WIDTH, LR = 3, 4, 8, 0.1
SCALE = 3  # with large weights and few examples, some units are dead and some saturated


def _network(kind: str) -> Network:
    get = discover().get
    dense, activation, recurrent = get("layer", "dense"), get("layer", "activation"), get("layer", "recurrent")
    if kind == "sequences":
        return Network({"rnn": recurrent(get("cell", "lstm")(WIDTH)), "out": dense(2)}, {"x": (None, 3), "y": (None, 2)})
    if kind == "images":
        layers = {"conv": get("layer", "conv2d")(3), "bend": activation(get("activation", "relu")())}
        layers |= {"flat": get("layer", "flatten")(), "score": dense(2)}
        return Network(layers, {"x": (2, 4, 5), "y": (2,)})
    if kind == "linear":
        return Network({"line": dense(2, bias=False)}, {"x": (3,), "y": (2,)})
    layers = {"hidden1": dense(WIDTH), "act1": activation(get("activation", "relu")())}
    layers |= {"hidden2": dense(WIDTH), "act2": activation(get("activation", "tanh")()), "out": dense(2)}
    return Network(layers, {"x": (3,), "y": (2,)})


def step(ctx: Any, dtype: Any = np.float64, kind: str = "features", n: int = N) -> TrainingStep:
    """One step of a small network for the replicas of a context, each with the weights of its key."""
    network, xp = _network(kind), ctx.xp
    replicas = [network.init(key)[0] for key in ctx.keys]
    arena = network.arena(replicas[0])
    host, rng = SCALE * arena.fill(replicas, dtype), np.random.default_rng(0)
    w = xp.asarray(host.reshape(*ctx.replicas, -1))
    shared, of_step = (1,) * len(ctx.replicas), (STEPS, n) if kind == "sequences" else (n,)
    cores = {"x": (*of_step, *((2, 4, 5) if kind == "images" else (3,))), "y": (*of_step, 2)}
    batch = {name: xp.asarray(rng.standard_normal((*shared, *core)).astype(dtype)) for name, core in cores.items()}
    ctx, p, out = ctx.but(batch=batch), arena.views(w), list(network.nodes)[-1]
    heads = {"loss": Head(discover().get("loss", "mse")(), out)}
    values, caches = network.forward(p, ctx)
    loss, dvalues = total_loss(heads, values, ctx)
    g = xp.zeros_like(w)
    dvalues = network.backward(p, caches, dvalues, arena.views(g), ctx)
    of_time = ("x", "y") if kind == "sequences" else ()
    lr = _rates(ctx, dtype)
    seen = TrainingStep(network, w, arena.views(g), values, caches, dvalues, ctx, arena, w, w - lr * g, heads, loss, lr, g)
    return replace(seen, previous=PreviousStep(2 * loss, g + w, w + lr * g), time_major=of_time)


def _rates(ctx: Any, dtype: Any) -> Any:
    """The learning rate: a number for a lone network, (..., 1) for a stack, another one for each key."""
    rates = [LR * (1 + 0.1 * key) for key in ctx.keys]
    return ctx.xp.asarray(np.array(rates, dtype).reshape(*ctx.replicas, 1)) if ctx.replicas else rates[0]


class Unasked:
    """The step before, for a probe that does not say that it reads it."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("it reads `seen.previous`, which is always None without `previous: ClassVar[bool] = True`")


def _step(probe: Any, ctx: Any, dtype: Any = np.float64) -> TrainingStep:
    return step(ctx, dtype, "sequences" if getattr(probe, "sequences", False) else "features")


def _stack(probe: Any, lead: tuple[int, ...]) -> tuple[Any, list[Any]]:
    """A stack of probes that differ in every stackable option, and its lone members."""
    lone = [varied(probe, r) for r in range(prod(lead))]
    return merged(lone, lead), lone


def check_shapes(probe: Any) -> None:
    """A probe returns at least one metric with an allowed name; each value is a number or a row per replica. It reads the
    step before only if it declares `previous`.

    Cannot see: whether it measures what its name says.
    """
    for lead in ((1,), *LEADS):
        whole, seen = _stack(probe, lead)[0], _step(probe, context(lead))
        held: Any = seen.previous if getattr(probe, "previous", False) else Unasked()
        found, first = whole(replace(seen, previous=held)), whole(replace(seen, previous=None))
        assert list(found) == list(first), f"the first step has metrics {list(first)}, later ones {list(found)}"
        assert found, "the probe returns nothing for the kit's network, whose nodes are hidden1, act1, hidden2, act2 and out"
        _check_found(found, lead)


def _check_found(found: Any, lead: tuple[int, ...], where: str = "") -> None:
    assert isinstance(found, Mapping), f"{where}it returns a {type(found).__name__}, not a mapping of metric to value"
    for name, value in found.items():
        assert isinstance(name, str), f"{where}{name!r} is not a metric name"
        assert not name.startswith(MEASURED), f"{where}'{name}' is reserved for metrics of training"
        assert hasattr(value, "shape"), f"{where}'{name}' is a {type(value).__name__}, not an array of one per replica"
        shape = value.shape[: len(lead)]
        fits = shape in (lead, (1,) * len(lead)) and value.ndim <= len(lead) + 1
        assert fits, f"{where}'{name}' has shape {value.shape}, not one number per replica {lead}, or a row of them"


def check_networks(probe: Any) -> None:
    """On images, sequences and a single linear layer it measures, returns nothing, or raises a ValueError that
    rejects the network. It never relies on names of nodes or on numbers of axes.

    Cannot see: layers of third parties.
    """
    for kind in ("images", "sequences", "linear", "features"):
        where = f"on a network of {kind}: "
        for lead in ((), (2, 3)):
            try:
                found = probe(step(context(lead), kind=kind))
            except Exception as error:
                if refuses(error):
                    continue
                raise
            _check_found(found, lead, where)


def check_names(probe: Any) -> None:
    """Every step has the same metrics with finite values, whatever its number and the size of its batch.

    Cannot see: metrics that depend on what happened in a step.
    """
    kind = "sequences" if getattr(probe, "sequences", False) else "features"
    first = probe(step(context((3,), step=3), kind=kind))
    finite = {name for name, value in first.items() if np.isfinite(value).all()}
    for number, n in ((0, N), (4, N), (3, N + 2), (9, 1)):
        with np.errstate(all="ignore"):
            found = probe(step(context((3,), step=number), kind=kind, n=n))
        same, others = sorted(found) == sorted(first), sorted(first)
        assert same, f"the metrics of step {number} of {n} examples are {sorted(found)}, of another one {others}"
        for name in finite if n > 1 else ():
            assert np.isfinite(found[name]).all(), f"'{name}' of step {number} is not finite"


def check_nodes(probe: Any) -> None:
    """The option `nodes` chooses: with one node named, no metric belongs to another node.

    Cannot see: metrics whose names hold no node.
    """
    seen = _step(probe, context((3,)))
    for node in seen.network.nodes:
        try:
            found = replace(probe, nodes=(node,))(seen)
        except ValueError as error:
            if refuses(error):
                continue
            raise
        for name in found:
            others = (set(seen.network.nodes) - {node}) & set(name.split("/"))
            assert not others, f"with nodes=({node!r},) it returns '{name}', of another node"


def check_stack_law(probe: Any) -> None:
    """The values of replica r in a stack equal those of replica r alone, in stacks (1,), (3,) and (2, 3).

    Cannot see: replicas that mix only in stacks of other sizes.
    """
    for lead in ((1,), *LEADS[1:]):
        whole, lone = _stack(probe, lead)
        found = whole(_step(probe, context(lead)))
        for r, member in enumerate(lone):
            single, at = member(_step(probe, alone(r))), np.unravel_index(r, lead)
            assert single.keys() == found.keys(), f"a stack has metrics {sorted(found)}, a single network {sorted(single)}"
            for name, value in found.items():
                spread = np.broadcast_to(value, (*lead, *value.shape[len(lead) :]))
                equal(spread[at], np.asarray(single[name]), f"'{name}' of replica {r}")


def check_neighbours(probe: Any) -> None:
    """The values of a replica do not change if another replica has only non-finite values.

    Cannot see: values that only nearly overflow.
    """
    whole, seen = _stack(probe, (3,))[0], _step(probe, context((3,)))
    before = {name: np.array(value) for name, value in whole(seen).items()}
    for _, a in _arrays(seen):
        if a.dtype.kind == "f" and a.shape[:1] == (3,) and a.flags.writeable:
            a[1] = np.nan
    with np.errstate(all="ignore"):
        after = whole(seen)
    for name, value in before.items():
        for r in (0, 2) if value.shape[0] == 3 else ():
            equal(after[name][r], value[r], f"'{name}' of replica {r} next to one full of nan")


def check_unchanged(probe: Any) -> None:
    """The training step stays unchanged, nothing is saved on the object, and a second call returns the same values.

    Cannot see: state that a module keeps and that changes no value.
    """
    seen = _step(probe, context((3,)))
    before = [a.copy() for _, a in _arrays(seen)]
    keys = {name: list(getattr(seen, name)) for name in ("g", "values", "caches", "dvalues")}
    with untouched(probe):
        first = {name: np.array(value) for name, value in probe(seen).items()}
    for name, known in keys.items():
        assert list(getattr(seen, name)) == known, f"it changed the keys of {name}"
    for (path, a), was in zip(_arrays(seen), before, strict=True):
        assert np.array_equal(a, was), f"it changed {path}"
    for name, value in probe(seen).items():
        equal(value, first[name], f"'{name}' of a second call")


def _arrays(seen: Any, path: str = "") -> Iterator[tuple[str, Array]]:
    """Every array in a training step, with its path."""
    if isinstance(seen, np.ndarray):
        yield path, seen
    elif isinstance(seen, TrainingStep):
        yield from _arrays({k: v for k, v in vars(seen).items() if k not in ("network", "ctx", "arena", "p")})
    elif isinstance(seen, Mapping):
        for key, value in seen.items():
            yield from _arrays(value, f"{path}[{key!r}]" if path else str(key))
    elif isinstance(seen, tuple | list):
        for i, value in enumerate(seen):
            yield from _arrays(value, f"{path}[{i}]")


def check_dtype(probe: Any) -> None:
    """float32 stays float32, with finite values where those of float64 are.

    Cannot see: intermediate results in float64.
    """
    whole = _stack(probe, (3,))[0]
    wide = whole(_step(probe, context((3,))))
    for name, value in whole(_step(probe, context((3,)), np.float32)).items():
        assert value.dtype == np.float32, f"'{name}' of float32 arrays is {value.dtype}"
        finite = np.isfinite(value).all() or not np.isfinite(wide[name]).all()
        assert finite, f"'{name}' of float32 arrays is not finite, of float64 it is"


def check_device(probe: Any) -> None:
    """A device whose arrays reject host arrays gives the same values, without a transfer to the host.

    Cannot see: functions that NumPy has and CuPy lacks.
    """
    whole, xp = _stack(probe, (3,))[0], Double()
    seen = _step(probe, context((3,)).but(xp=xp))
    with on_device():
        found = to_device(whole, xp)(seen)
    assert xp.to_host == 0, "arrays were copied from the device to the host"
    for name, value in whole(_step(probe, context((3,)))).items():
        assert hasattr(found[name], "get"), f"'{name}' is not on the device"
        equal(to_host(found[name]), value, f"'{name}' on a device")


SIMPLE = {"shapes": check_shapes, "pure": check_unchanged, "dtype": check_dtype, "device": check_device}
PROBE = reported(
    {
        **SIMPLE,
        "stack_law": check_stack_law,
        "neighbours": check_neighbours,
        "names": check_names,
        "networks": check_networks,
        "nodes": check_nodes,
        "choices": check_choices(SIMPLE, {"shapes": check_shapes}),
    }
)
