"""An allow-list of what a configuration may make Hydra and Python's logging do, whoever wrote the file.

Hydra instantiates launchers, sweepers and callbacks from `_target_`, and `logging.config` imports handlers by name. A preset
from a third party must not reach either: a configuration names components by `type`, and calls nothing else.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from math import ceil, prod
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import RangeSweep
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from framework.core.errors import ConfigError
from framework.core.repeats import REPEATS
from framework.core.secrets import URI, masked

# Keys by which Hydra or logging call a Python object by name.
CALLING = ("_target_", "_partial_", "_args_", "_recursive_", "_convert_", "()")
OWN = "hydra_plugins.stackprop."
TARGETS = {  # the only keys that may hold a target, and the targets allowed there
    "hydra.launcher._target_": (
        *(f"{OWN}{name}" for name in ("StackedLauncher", "SubmititLauncher", "RayLauncher")),
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
    ),
    "hydra.sweeper._target_": (
        *(f"{OWN}{name}" for name in ("GridSweeper", "AntColonySweeper", "AntColonyLstmSweeper", "OptunaSweeper")),
        "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    ),
}
# Options of launchers that a file may set. Others (`slurm_setup`, `runtime_env`) can hold commands: a file may not set them.
LAUNCHER = {"_target_", "max_stack", "n_jobs", "engine", "parameters", "address", "wait"}
LAUNCHER |= {"timeout_min", "mem_gb", "nodes", "tasks_per_node", "cpus_per_task", "gpus_per_node"}
LAUNCHER |= {"slurm_partition", "slurm_account", "slurm_qos", "slurm_constraint", "num_cpus", "num_gpus"}
LAUNCHER |= {"backend", "prefer", "require", "verbose", "timeout", "pre_dispatch", "batch_size"}
LAUNCHER |= {"max_nbytes", "mmap_mode"}
ADDRESSES = ("auto",)  # of a Ray cluster: results from a cluster are unpickled
PLAIN = re.compile(r"[\w.,:/*+-]*")  # no line break and no quote: it becomes a line of a shell script
ENVIRONMENT = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
JOBS = 100_000  # maximum jobs of a sweep
LOGGING = ("hydra_logging", "job_logging")


def check_targets(cfg: Any) -> None:
    """Reject what could run code, at any depth, before Hydra uses any of it.

    Args:
        cfg: a composed configuration, Hydra's part included.

    Raises:
        ConfigError: with one line for every error.
    """
    errors = calls(OmegaConf.to_container(cfg, resolve=False))
    if OmegaConf.is_dict(cfg.get("hydra")):
        errors += [*_callbacks(cfg.hydra), *_plugins(cfg.hydra), *_logging(cfg.hydra), *_environment(cfg.hydra)]
    if errors:
        raise ConfigError("\n".join(dict.fromkeys(errors)))


def calls(tree: Any) -> list[str]:
    """An error for every key that would call a Python object by name."""
    return [
        f"{path}: not allowed (got {value!r}); a configuration names components by 'type', and can call nothing else"
        for path, key, value in leaves(tree)
        if key in CALLING and value not in TARGETS.get(path, ())
    ]


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """(dotted name, key, value) of everything in a tree, mappings and lists included."""
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        here = f"{path}.{key}" if path else str(key)
        yield here, str(key), value
        yield from leaves(value, here)


def withhold(cfg: Any) -> None:
    """Move a password in a preset's store address into the environment: what Hydra writes then refers to it."""
    tracking = OmegaConf.to_container(cfg.tracking, resolve=False) if OmegaConf.is_dict(cfg.get("tracking")) else {}
    uri = tracking.get("uri") if isinstance(tracking, dict) else None
    if isinstance(uri, str) and masked(uri) != uri:
        os.environ[URI] = uri
        with open_dict(cfg):
            cfg.tracking.uri = f"${{oc.env:{URI}}}"


def check_packages(paths: Iterable[Any]) -> None:
    """Check that presets lie in plain folders.

    Raises:
        ConfigError: a folder of presets is a Python package, which reading would import.
    """
    for path in paths:
        if isinstance(path, str) and "://" in path and not path.startswith("file://"):
            raise ConfigError(f"hydra.searchpath: not allowed (got {path!r}); presets lie in a folder, not in a package")


def check_interpolations(cfg: Any, overrides: Iterable[str]) -> None:
    """Check the size of a sweep before its jobs are listed.

    Args:
        overrides: of the command; those of a preset are in `hydra.sweeper.params`.

    Raises:
        ConfigError: the sweep has too many jobs.
    """
    params = cfg.hydra.sweeper.get("params") or {}
    words = [*(f"{key}={value}" for key, value in params.items() if value is not None), *overrides]
    searches = "n_trials" in cfg.hydra.sweeper  # a search has `n_trials` trials, each with every seed and fold
    counts = {}
    for override in OverridesParser.create().parse_overrides(words):
        if override.is_discrete_sweep() and (not searches or override.key_or_group in REPEATS):
            counts[override.key_or_group] = _values(override)
    if (jobs := prod(counts.values())) > JOBS:
        key = max(counts, key=lambda key: counts[key])
        raise ConfigError(f"{key}: {counts[key]:,} values; this sweep has {jobs:,} jobs; the maximum is {JOBS:,}")


def _values(override: Any) -> int:
    """The number of values in an override of a sweep."""
    sweep = override.value()
    if not isinstance(sweep, RangeSweep):
        return len(getattr(sweep, "list", "1"))
    if not sweep.step:
        raise ConfigError(f"{override.key_or_group}: a range with a step of 0 does not end")
    start, stop, step = (Decimal(str(number)) for number in (sweep.start, sweep.stop, sweep.step))
    return max(0, ceil((stop - start) / step))


def _callbacks(node: Any) -> list[str]:
    value = node._get_node("callbacks")
    return [f"hydra.callbacks: not allowed (got {value}); callbacks cannot be configured"] if value else []


def _plugins(node: Any) -> list[str]:
    """The errors in the targets of launcher and sweeper, after interpolation."""
    errors = []
    for name in ("launcher", "sweeper"):
        part = node._get_node(name)
        try:
            tree = {"hydra": {name: OmegaConf.to_container(part, resolve=True) if OmegaConf.is_config(part) else part}}
        except OmegaConfBaseException as error:
            errors.append(f"hydra.{name}: {str(error).splitlines()[0]}")
            continue
        errors += calls(tree)
        if name == "launcher":
            given: Any = OmegaConf.to_container(node.overrides, resolve=False)
            errors += _launcher(tree, {word.lstrip("+~").partition("=")[0] for word in given["hydra"]})
    return errors


def is_harmless(option: str, value: Any) -> bool:
    """Whether this option of a launcher, with this value, cannot contain a command."""
    known = option in LAUNCHER and not isinstance(value, list) and (option != "address" or value in ADDRESSES)
    return known and not (isinstance(value, str) and not PLAIN.fullmatch(value))


def _launcher(tree: Any, typed: set[str]) -> list[str]:
    prefix = "hydra.launcher."
    errors = []
    for path, key, value in leaves(tree):
        if (
            value is None
            or not path.startswith(prefix)
            or any(path == word or path.startswith(f"{word}.") for word in typed)
        ):
            continue
        if not is_harmless(key, value):
            errors.append(f"{path}: not allowed in a file (got {value!r}), as it may hold commands; type {path}=...")
    return errors


def _logging(node: Any) -> list[str]:
    """Only Hydra's own choices, and levels: a handler is a class by name, and may write anywhere."""
    errors = []
    for name in LOGGING:
        part = node._get_node(name)
        tree = OmegaConf.to_container(part, resolve=False) if OmegaConf.is_config(part) else part
        packaged = _packaged(name)
        if tree is not None and _without_levels(tree) not in packaged.values():
            names = ", ".join(packaged)
            errors.append(f"hydra.{name}: not allowed; choose hydra/{name} from {names}; only levels can be changed")
    return errors


@functools.cache
def _packaged(name: str) -> dict[str, Any]:
    """Hydra's own choices for a logging group."""
    files = sorted((Path(hydra.__file__).parent / "conf" / "hydra" / name).glob("*.yaml"))
    return {path.stem: _without_levels(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in files}


def _without_levels(tree: Any) -> Any:
    if not isinstance(tree, Mapping):
        return tree
    plain = {key: value for key, value in tree.items() if not (key == "level" and re.fullmatch(r"\w+", str(value)))}
    plain.pop("disable_existing_loggers", None)
    return {key: _without_levels(value) for key, value in plain.items()}


def _environment(node: Any) -> list[str]:
    """Environment variables decide what later processes load."""
    part = OmegaConf.select(node, "job.env_set")
    given = OmegaConf.to_container(part, resolve=False) if OmegaConf.is_config(part) else part or {}
    items = given.items() if isinstance(given, Mapping) else [(str(given), None)]
    return [
        f"hydra.job.env_set.{key!s}: not allowed; a configuration may only set {', '.join(ENVIRONMENT)}"
        for key, value in items
        if key not in ENVIRONMENT and value != os.environ.get(str(key))
    ]
