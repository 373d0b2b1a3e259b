"""Reads the origins of a run's components from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framework.core.reading import read_json
from framework.core.version import GROUP, normalized

FILE = "plugins.json"


COPIES = "plugins"


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The content of `plugins.json`; empty if it is missing or not readable."""
    try:
        found = read_json(folder / FILE)
        parts = {key: found[key] for key in ("components", "files")}
    except (OSError, ValueError, KeyError, TypeError):
        return {"components": {}, "files": {}}
    return {
        key: {str(k): v for k, v in part.items() if isinstance(v, dict)} if isinstance(part, dict) else {}
        for key, part in parts.items()
    }


def tags(folder: Path) -> dict[str, str]:
    """The tags of a run that name third-party components and their source."""
    components = read(folder)["components"].items()
    return {f"stackprop.plugin.{name}": label(about) for name, about in components if not is_own(about)}


def is_own(about: Mapping[str, Any]) -> bool:
    """Whether a component belongs to stackprop itself."""
    return normalized(str(about.get("distribution"))) == GROUP


def label(about: Mapping[str, Any], exact: bool = False) -> str:
    """`stackprop-bent 0.1.0`, or `bent.py (SHA-256 1a2b3c4d)`.

    Args:
        exact: with the SHA-256 of a package's module too, whose code may change while its version stays the same.
    """
    file = about.get("file")
    name = Path(str(file)).name if file else f"{about.get('distribution')} {about.get('version')}"
    sha256 = about.get("sha256") if exact or file else None
    return f"{name} (SHA-256 {str(sha256)[:8]})" if sha256 or file else name
