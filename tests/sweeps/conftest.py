"""What tests of sweeps share."""

import functools
import os

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from shell import QUICK

from framework.config.composition import install
from framework.registry.registry import conf_dir
from framework.sweeps import manifest
from framework.sweeps.composer import JobComposer
from framework.sweeps.executors import cluster_run
from framework.sweeps.jobs import compose_jobs


@pytest.fixture(scope="module")
def loader():
    """Hydra's loader, and the configuration of a sweep."""
    os.environ.setdefault("STACKPROP_RUNS", "runs")
    install()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        yield (
            hydra.config_loader,
            hydra.compose_config("config", [], run_mode=RunMode.MULTIRUN, with_log_configuration=False),
        )


@pytest.fixture
def shell(ask):
    """Run a sweep in this process, leaving nothing of it behind: its exit status, output and errors."""
    return functools.partial(ask, "-m")


@pytest.fixture
def jobs(request, loader, tmp_path, monkeypatch):
    """Six jobs of a sweep, one of which diverges; two of them have another number of units. A test may add overrides."""
    monkeypatch.setenv("STACKPROP_ID", "first")
    monkeypatch.setenv("STACKPROP_RUNS", str(tmp_path))
    composer = JobComposer(*loader)
    composer.sweep = str(tmp_path / "sweep-1")
    rates = ["optimizer=sgd", "activation=linear", "loss=softmax_cross_entropy", "optimizer.lr=0.1"]
    own = [["seed=0"], ["seed=1"], ["optimizer.lr=1e30"], ["seed=2"], ["model.hidden=5"], ["model.hidden=5", "seed=1"]]
    found = compose_jobs(
        composer, [[*QUICK, "tracking=none", *getattr(request, "param", ()), *rates, *words] for words in own], 0
    )
    manifest.write_manifest(tmp_path / "sweep-1", found)
    monkeypatch.setattr(cluster_run, "POLL", 0.001)
    return found
