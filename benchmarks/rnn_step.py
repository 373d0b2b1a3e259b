"""One training step of a recurrent network: a tanh network over 50 one-hot symbols of 64, batch 32, 128 units.

recurrent - dense, softmax cross-entropy at every step, gradients clipped at norm 5, Adam, float32. Ours goes through the
public trainer: batches are gathered and turned time-major, and the gradient norm of every layer is recorded at every step.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.jax_adam import training
from benchmarks.mlp_step import Run, void

LR, CLIP, BATCHES = 1e-3, 5.0, 4
THREADS, FEWEST = 2, 20


@dataclass(frozen=True)
class Sizes:
    """T steps of N examples with D features, H units, V classes; whether x is one-hot; PyTorch's name of the cell."""

    cell: str
    theirs: str
    T: int = 50
    N: int = 32
    D: int = 64
    H: int = 128
    V: int = 64
    symbols: bool = False


SIZES = {
    "rnn": Sizes("simple", "RNN", symbols=True),
    "gru": Sizes("gru", "GRU"),
    "lstm": Sizes("lstm", "LSTM"),
    "medium": Sizes("lstm", "LSTM", T=35, N=20, D=650, H=650, V=10),
}


def contestants(kind: str) -> dict[str, str]:
    """Ours in both tiers, PyTorch on one thread and on two, JAX."""
    here = f"benchmarks.rnn_step:{{}}:{kind}"
    ours = {"stackprop": here.format("stackprop"), "stackprop, array tier": here.format("stackprop") + ":array"}
    if kind == "gru":
        ours |= {"stackprop, reset before": here.format("stackprop") + ":compiled:before"}
    return ours | {
        "PyTorch, fused Adam": here.format("torch_step"),
        "PyTorch, fused Adam, one thread": here.format("torch_step") + ":1",
        "JAX jit, scan": here.format("jax_step"),
    }


REFERENCE = "PyTorch, fused Adam"
CONTESTANTS = contestants("rnn")


def examples(s: Sizes, n: int) -> tuple[np.ndarray, np.ndarray]:
    """x (n, T, D) and labels (n, T)."""
    rng = np.random.default_rng(0)
    x = np.eye(s.D)[rng.integers(0, s.D, (n, s.T))] if s.symbols else rng.standard_normal((n, s.T, s.D))
    return x.astype(np.float32), rng.integers(0, s.V, (n, s.T))


def learner(s: Sizes, steps: int, reset: str = "after") -> Any:
    """The learner for stackprop."""
    from framework import Head, Network
    from framework.config.options import TrainerOptions
    from framework.registry import discovery
    from framework.training.learner import Learner

    get = discovery.discover().get
    options = {"reset": reset} if s.cell == "gru" else {}
    cell = get("cell", s.cell)(s.H, recurrent=get("initializer", "xavier_uniform")(), **options)
    layers = {"rnn": get("layer", "recurrent")(cell), "out": get("layer", "dense")(s.V)}
    network = Network(layers, {"x": (None, s.D), "y": (None,)})
    trainer = TrainerOptions(steps=steps, batch_size=s.N, train_metrics=False, validate_every=10**9, clip_norm=CLIP)
    heads = {"loss": Head(get("loss", "softmax_cross_entropy")(), "out")}
    optimizer = get("optimizer", "adam")(lr=LR, epsilon="outside")
    return Learner(network, heads, optimizer, get("schedule", "constant")(), trainer)


def stackprop(kind: str, tier: str = "compiled", reset: str = "after") -> Run:
    """The public trainer."""
    from framework import Data, Field
    from framework.training.trainer import train

    s = SIZES[kind]
    x, y = examples(s, BATCHES * s.N)
    split = Data({"train": {"x": x, "y": y}}, {"x": Field("NTF"), "y": Field("NT", "label", s.V)})
    threads = int(os.environ.get("BENCH_THREADS", "2"))
    return lambda steps: void(train([learner(s, steps, reset)], [split], [0], threads=threads, tier=tier))


def torch_net(torch: Any, s: Sizes) -> tuple[Any, Any]:
    """PyTorch's layer, which reads (T, N, D), and the head."""
    return getattr(torch.nn, s.theirs)(s.D, s.H), torch.nn.Linear(s.H, s.V)


def torch_step(kind: str, threads: str = "") -> Run:
    """PyTorch in its usual style."""
    import torch

    s = SIZES[kind]
    torch.set_num_threads(int(threads or os.environ.get("BENCH_THREADS", "2")))
    torch.manual_seed(0)
    layer, head = torch_net(torch, s)
    x, y = (torch.from_numpy(a).swapaxes(0, 1).contiguous() for a in examples(s, s.N))
    parameters = [*layer.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=LR, fused=True)

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(head(layer(x)[0]).flatten(0, 1), y.flatten()).backward()
            torch.nn.utils.clip_grad_norm_(parameters, CLIP)
            optimizer.step()

    return run


def jax_cell(jax: Any, jnp: Any, s: Sizes) -> Any:
    """(state, a) -> (state, h) for lax.scan, with h and c as the state."""

    def step(p: Any, state: Any, a: Any) -> Any:
        (h, c), n = state, s.H
        z = h @ p["U"]
        if s.cell == "simple":
            h = jnp.tanh(a + z)
        elif s.cell == "gru":
            rz = jax.nn.sigmoid(a[:, : 2 * n] + z[:, : 2 * n])
            g = jnp.tanh(a[:, 2 * n :] + rz[:, :n] * z[:, 2 * n :])
            h = g + rz[:, n:] * (h - g)
        else:
            ifo, g = jax.nn.sigmoid((a + z)[:, : 3 * n]), jnp.tanh((a + z)[:, 3 * n :])
            c = ifo[:, n : 2 * n] * c + ifo[:, :n] * g
            h = ifo[:, 2 * n :] * jnp.tanh(c)
        return (h, c), h

    return step


def jax_step(kind: str) -> Run:
    """The whole step compiled."""
    import jax
    import jax.numpy as jnp

    s = SIZES[kind]
    x, y = (jnp.asarray(a.swapaxes(0, 1)) for a in examples(s, s.N))
    gates, rng, cell = {"simple": 1, "gru": 3, "lstm": 4}[s.cell], np.random.default_rng(1), jax_cell(jax, jnp, s)
    sizes = {"W": (s.D, gates * s.H), "U": (s.H, gates * s.H), "V": (s.H, s.V)}
    p = {name: jnp.asarray(rng.standard_normal(size) / size[0] ** 0.5, jnp.float32) for name, size in sizes.items()}
    p |= {"b": jnp.zeros(gates * s.H), "c": jnp.zeros(s.V)}

    def loss(p: Any) -> Any:
        a, zeros = x.reshape(-1, s.D) @ p["W"] + p["b"], jnp.zeros((s.N, s.H))
        _, h = jax.lax.scan(lambda state, a: cell(p, state, a), (zeros, zeros), a.reshape(s.T, s.N, -1))
        logs = jax.nn.log_softmax(h.reshape(-1, s.H) @ p["V"] + p["c"])
        return -jnp.take_along_axis(logs, y.reshape(-1, 1), 1).mean()

    return training(loss, p, CLIP)


def verify(kind: str = "rnn") -> str:
    """Our gradients against PyTorch's in float64.

    Raises:
        AssertionError: they differ by more than rounding.
    """
    import torch

    from framework import Context
    from framework.nn.heads import total_loss

    s = SIZES[kind]
    ours, (layer, head) = learner(s, 1), (part.double() for part in torch_net(torch, s))
    arena = ours.network.arena(ours.network.init(0)[0])
    w, g = np.zeros((1, arena.size)), np.zeros((1, arena.P))
    p, dp = arena.views(w), arena.views(g)
    with torch.no_grad():
        layer.bias_hh_l0.zero_()  # ours has one bias
    for tensor, at in (("W", "weight_ih_l0"), ("U", "weight_hh_l0"), ("b", "bias_ih_l0")):
        p["rnn"][tensor][0] = _turned(getattr(layer, at).detach().numpy(), s)
    p["out"]["W"][0], p["out"]["b"][0] = head.weight.detach().numpy().T, head.bias.detach().numpy()
    x, y = (a.swapaxes(0, 1) for a in examples(s, s.N))
    values = head(layer(torch.from_numpy(x.astype(np.float64)))[0])
    torch.nn.functional.cross_entropy(values.flatten(0, 1), torch.from_numpy(np.ascontiguousarray(y)).flatten()).backward()
    ctx = Context(replicas=(1,), batch={"x": x[None].astype(np.float64), "y": y[None]})
    values, caches = ours.network.forward(p, ctx)
    ours.network.backward(p, caches, total_loss(ours.heads, values, ctx)[1], dp, ctx)
    theirs = {t: _turned(getattr(layer, at).grad.numpy(), s) for t, at in (("W", "weight_ih_l0"), ("U", "weight_hh_l0"))}
    theirs["b"] = _turned(layer.bias_ih_l0.grad.numpy(), s)
    worst = max(float(np.abs(dp["rnn"][t][0] - a).max() / np.abs(a).max()) for t, a in theirs.items())
    worst = max(worst, float(np.abs(dp["out"]["W"][0] - head.weight.grad.numpy().T).max() / np.abs(dp["out"]["W"]).max()))
    assert worst < 1e-12, f"gradients differ from PyTorch's by {worst:.1e}"
    return f"gradients equal PyTorch's to {worst:.0e} in float64"


def _turned(a: np.ndarray, s: Sizes) -> np.ndarray:
    """PyTorch's (gates H, D) as our (D, gates H): its LSTM has i, f, g, o, ours i, f, o, g."""
    if s.cell == "lstm":
        i, f, g, o = np.split(a, 4)
        a = np.concatenate((i, f, o, g))
    return a.T
