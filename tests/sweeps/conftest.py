"""What tests of sweeps share."""

import os

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from framework.config.composition import install
from framework.registry.registry import conf_dir


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
