"""Presets of the user that are ignored, since stackprop or a plugin has one of that name."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from framework.config.own_experiments import GROUP, ExperimentSource
from framework.config.presets import KINDS_OF, shown
from framework.core.log import log
from framework.registry.discovery import discover
from framework.registry.registry import conf_dir

HIDDEN: set[str] = set()  # those already reported


def warn_of_hidden(runtime: Any) -> None:
    """Warn of presets in a user's folder (--config-dir, hydra.searchpath) that are ignored because their names are taken."""
    if "COMP_LINE" in os.environ:
        return
    sources, chosen = runtime.config_sources, re.findall(r"[\w./-]+", str(runtime.choices.get(GROUP)))
    folders = [Path(source.path) for source in sources if source.schema == ExperimentSource.scheme()]
    for file in [folder / f"{name}.yaml" for folder in folders for name in chosen]:
        why = discover().conflict(f"{GROUP}/{file.stem}") if file.is_file() else ""
        if why:
            _warn_once(f"{shown(file)} is ignored: {why}; rename it")
    folders = [Path(s.path) for s in sources if s.schema == "file" and s.provider not in ("hydra", "main")]
    for folder in folders:
        shipped = {path.relative_to(conf_dir()).with_suffix("").as_posix() for path in conf_dir().rglob("*.yaml")}
        components = {f"{group}/{name}" for group, kind in KINDS_OF.items() for name in discover().names(kind)}
        for name in sorted(shipped | components | {"base", *discover().presets}):
            why = discover().conflict(name) if "/" in name else "stackprop has a preset of that name"
            if (folder / f"{name}.yaml").is_file() and folder.resolve() != conf_dir():
                _warn_once(f"{folder / name}.yaml is ignored: {why}; rename it")


def _warn_once(line: str) -> None:
    if line not in HIDDEN:
        log.warning(line)
        HIDDEN.add(line)
