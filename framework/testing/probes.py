"""Checks of probes, on one training step of a small network.

Its nodes: `hidden1` (dense), `act1` (relu), `hidden2` (dense), `act2` (tanh), `out` (dense); the loss is the mean squared
error, the step that of plain gradient descent. All replicas read the same examples. A probe with `sequences = True` gets a
recurrent network instead: `rnn` (recurrent, lstm) and `out` (dense).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from framework.testing.double import Double
from framework.testing.purity import on_device, untouched
from framework.testing.stacks import LEADS, alone, context, equal, merged, varied

N, STEPS, WIDTH, LR = 3, 4, 8, 0.1
SCALE = 3  # with large weights and few examples, some units are dead and some saturated


def _network(sequences: bool) -> Network:
    get = discover().get
    if sequences:
        rnn = get("layer", "recurrent")(get("cell", "lstm")(WIDTH))
        return Network({"rnn": rnn, "out": get("layer", "dense")(2)}, {"x": (None, 3), "y": (None, 2)})
    dense, activation = get("layer", "dense"), get("layer", "activation")
    layers = {"hidden1": dense(WIDTH), "act1": activation(get("activation", "relu")())}
    layers |= {"hidden2": dense(WIDTH), "act2": activation(get("activation", "tanh")()), "out": dense(2)}
    return Network(layers, {"x": (3,), "y": (2,)})


def step(ctx: Any, dtype: Any = np.float64, sequences: bool = False) -> TrainingStep:
    """One step of the small network for the replicas of a context, each with the weights of its key."""
    network, xp = _network(sequences), ctx.xp
    replicas = [network.init(key)[0] for key in ctx.keys]
    arena = network.arena(replicas[0])
    host, rng = SCALE * arena.fill(replicas, dtype), np.random.default_rng(0)
    w = xp.asarray(host.reshape(*ctx.replicas, -1))
    shared = (1,) * len(ctx.replicas)
    core = (STEPS, N) if sequences else (N,)
    batch = {name: xp.asarray(rng.standard_normal((*shared, *core, n)).astype(dtype)) for name, n in (("x", 3), ("y", 2))}
    ctx, p, heads = ctx.but(batch=batch), arena.views(w), {"loss": Head(discover().get("loss", "mse")(), "out")}
    values, caches = network.forward(p, ctx)
    loss, dvalues = total_loss(heads, values, ctx)
    g = xp.zeros_like(w)
    dvalues = network.backward(p, caches, dvalues, arena.views(g), ctx)
    of_time = ("x", "y") if sequences else ()
    seen = TrainingStep(network, w, arena.views(g), values, caches, dvalues, ctx, arena, w, w - LR * g, heads, loss, LR, g)
    return replace(seen, previous=PreviousStep(2 * loss, g + w, w + LR * g), time_major=of_time)


def _step(probe: Any, ctx: Any, dtype: Any = np.float64) -> TrainingStep:
    return step(ctx, dtype, getattr(probe, "sequences", False))


def _stack(probe: Any, lead: tuple[int, ...]) -> tuple[Any, list[Any]]:
    """A stack of probes that differ in every stackable option, and its lone members."""
    lone = [varied(probe, r) for r in range(prod(lead))]
    return merged(lone, lead), lone


def check_shapes(probe: Any) -> None:
    """A probe returns at least one metric with an allowed name; each value is a number or a row per replica."""
    for lead in LEADS:
        whole, seen = _stack(probe, lead)[0], _step(probe, context(lead))
        found, first = whole(seen), whole(replace(seen, previous=None))
        assert list(found) == list(first), f"the first step has metrics {list(first)}, later ones {list(found)}"
        assert found, "the probe returns nothing for the kit's network, whose nodes are hidden1, act1, hidden2, act2 and out"
        for name, value in found.items():
            assert isinstance(name, str), f"{name!r} is not a metric name"
            assert not name.startswith(MEASURED), f"'{name}' is reserved for metrics of training"
            shape = value.shape[: len(lead)]
            fits = shape in (lead, (1,) * len(lead)) and value.ndim <= len(lead) + 1
            assert fits, f"'{name}' has shape {value.shape}, not one number per replica {lead}, or a row of them"


def check_stack_law(probe: Any) -> None:
    """The values of replica r in a stack equal those of replica r alone."""
    for lead in LEADS[1:]:
        whole, lone = _stack(probe, lead)
        found = whole(_step(probe, context(lead)))
        for r, member in enumerate(lone):
            single, at = member(_step(probe, alone(r))), np.unravel_index(r, lead)
            assert single.keys() == found.keys(), f"a stack has metrics {sorted(found)}, a single network {sorted(single)}"
            for name, value in found.items():
                spread = np.broadcast_to(value, (*lead, *value.shape[len(lead) :]))
                equal(spread[at], np.asarray(single[name]), f"'{name}' of replica {r}")


def check_neighbours(probe: Any) -> None:
    """The values of a replica do not change if another replica has only non-finite values."""
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
    """The training step stays unchanged, nothing is saved on the object, and a second call returns the same values."""
    seen = _step(probe, context((3,)))
    before = [a.copy() for _, a in _arrays(seen)]
    with untouched(probe):
        first = {name: np.array(value) for name, value in probe(seen).items()}
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
    """float32 stays float32."""
    for name, value in _stack(probe, (3,))[0](_step(probe, context((3,)), np.float32)).items():
        assert value.dtype == np.float32, f"'{name}' of float32 arrays is {value.dtype}"


def check_device(probe: Any) -> None:
    """A device whose arrays reject host arrays gives the same values, without a transfer to the host."""
    whole, xp = _stack(probe, (3,))[0], Double()
    seen = _step(probe, context((3,)).but(xp=xp))
    with on_device():
        found = to_device(whole, xp)(seen)
    assert xp.to_host == 0, "arrays were copied from the device to the host"
    for name, value in whole(_step(probe, context((3,)))).items():
        assert hasattr(found[name], "get"), f"'{name}' is not on the device"
        equal(to_host(found[name]), value, f"'{name}' on a device")


PROBE: Mapping[str, Callable[[Any], None]] = {
    "shapes": check_shapes,
    "stack_law": check_stack_law,
    "neighbours": check_neighbours,
    "pure": check_unchanged,
    "dtype": check_dtype,
    "device": check_device,
}
