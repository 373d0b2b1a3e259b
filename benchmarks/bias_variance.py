"""A study of bias and variance: 200 networks 1-32-1, each with its own 20 training points, full batches, Adam, float32, two
threads; every 20 steps all are evaluated at 100 points, and bias², variance and the measured error are computed.

A step here is one step of all 200 networks, its part of the decompositions included. Ours is `study=bias_variance` as the
shell runs it, without recording. The baselines train the same networks on the same kind of data: PyTorch one after another
in its usual style, and stacked by torch.func.vmap, eager and compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.mlp_step import Run

THREADS = 2
FEWEST = 400  # a study composes, draws and decomposes again in each request
REFERENCE = "stackprop, study=bias_variance"
CONTESTANTS = {
    REFERENCE: "benchmarks.bias_variance:study",
    "PyTorch eager, a loop over networks": "benchmarks.bias_variance:torch_loop",
    "PyTorch, torch.func.vmap": "benchmarks.bias_variance:torch_vmap",
    "PyTorch, vmap compiled": "benchmarks.bias_variance:torch_compiled",
}
MEMBERS, POINTS, PLACES, UNITS, EVERY, SIGMA = 200, 20, 100, 32, 20, 0.2


def study() -> Run:
    """The study, as the shell runs it."""
    from framework.config.composition import compose
    from framework.experiments.experiment import prepare

    words = ["study=bias_variance", "dataset=sine", f"model.hidden={UNITS}", "activation=tanh", "trainer.batch_size=all"]
    words += [f"study.members={MEMBERS}", f"study.points={PLACES}", f"dataset.n={POINTS}", "dataset.n_val=0", "tier=array"]

    def run(steps: int) -> None:
        experiment = prepare(compose([*words, f"trainer.steps={steps}", f"study.looks={max(1, steps // EVERY)}"]))
        assert experiment.settings.study is not None
        found = experiment.settings.study(experiment)
        assert len(found.series["bias_variance/bias2"]) >= steps // EVERY

    return run


def draws() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x (R, n, 1), y (R, n, 1) and points (G, 1)."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (MEMBERS, POINTS, 1))
    y = np.sin(2 * np.pi * x) + SIGMA * rng.standard_normal(x.shape)
    return x.astype(np.float32), y.astype(np.float32), np.linspace(0, 1, PLACES, dtype=np.float32)[:, None]


def decomposed(y: np.ndarray, places: np.ndarray) -> tuple[float, float, float]:
    """bias², variance, measured error of predictions (R, G)."""
    f = np.sin(2 * np.pi * places[:, 0])
    targets = f + SIGMA * np.random.default_rng(1).standard_normal(y.shape)
    mu = y.mean(0)
    return float(np.mean((f - mu) ** 2)), float(np.mean((y - mu) ** 2)), float(np.mean((targets - y) ** 2))


def module() -> Any:
    """1-32-1."""
    import torch

    return torch.nn.Sequential(torch.nn.Linear(1, UNITS), torch.nn.Tanh(), torch.nn.Linear(UNITS, 1))


def torch_loop() -> Run:
    """One network after another; predictions are joined afterwards."""
    import torch

    torch.set_num_threads(THREADS)
    x, y, places = (torch.from_numpy(a) for a in draws())

    def run(steps: int) -> None:
        predicted = np.empty((-(-steps // EVERY), MEMBERS, PLACES), np.float32)
        for r in range(MEMBERS):
            net = module()
            optimizer = torch.optim.Adam(net.parameters())
            for step in range(steps):
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(net(x[r]), y[r]).backward()
                optimizer.step()
                if step % EVERY == 0:
                    with torch.no_grad():
                        predicted[step // EVERY, r] = net(places)[:, 0].numpy()
        for predictions in predicted:
            decomposed(predictions, places.numpy())

    return run


def torch_stacked(compiled: bool) -> Run:
    """vmap over stacked tensors."""
    import torch

    torch.set_num_threads(THREADS)
    x, y, places = (torch.from_numpy(a) for a in draws())
    nets = [dict(module().named_parameters()) for _ in range(MEMBERS)]
    params = {key: torch.stack([net[key].detach() for net in nets]).requires_grad_() for key in nets[0]}
    optimizer = torch.optim.Adam(list(params.values()), fused=True)

    def forward(p: Any, x: Any) -> Any:
        return torch.tanh(x @ p["0.weight"].T + p["0.bias"]) @ p["2.weight"].T + p["2.bias"]

    def loss(p: Any, x: Any, y: Any) -> Any:
        return torch.nn.functional.mse_loss(forward(p, x), y)

    grads_of, predicted = torch.func.vmap(torch.func.grad(loss)), torch.func.vmap(forward, in_dims=(0, None))
    if compiled:
        grads_of, predicted = torch.compile(grads_of), torch.compile(predicted)

    def run(steps: int) -> None:
        for step in range(steps):
            plain = {key: p.detach() for key, p in params.items()}
            for key, grad in grads_of(plain, x, y).items():
                params[key].grad = grad
            optimizer.step()
            if step % EVERY == 0:
                decomposed(predicted({key: p.detach() for key, p in params.items()}, places)[..., 0].numpy(), places.numpy())

    return run


def torch_vmap() -> Run:
    """Eager."""
    return torch_stacked(compiled=False)


def torch_compiled() -> Run:
    """Compiled: half a minute before the first step, which is not counted."""
    return torch_stacked(compiled=True)
