"""`stackprop plugins`: who provides what."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, version

from framework.discovery import discover


def main(arguments: Sequence[str]) -> int:
    """Print every component with the package and distribution that brought it; problems go to standard error."""
    found = packages_distributions()
    registry = discover()
    for kind, entries in registry.entries.items():
        for name, entry in sorted(entries.items()):
            print(f"{kind:13} {name:24} {entry.provider:26} {_distribution(entry.provider, found)}".rstrip())
    for problem in registry.problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if registry.problems else 0


def _distribution(provider: str, found: Mapping[str, list[str]]) -> str:
    package = provider.split(".")[0]
    name = found.get(package, ["stackprop"] if package.startswith("framework_") else [""])[0]
    try:
        return f"{name} {version(name)}" if name else ""
    except PackageNotFoundError:
        return name
