"""`stackprop plugins`: components, presets and the plugins that provide them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from framework.registry.discovery import discover, label
from framework.registry.installed import third_party
from framework.registry.registry import Source


def main(arguments: Sequence[str]) -> int:
    """Print every third-party plugin with its version, and every component and preset with its plugin and distribution;
    problems go to standard error."""
    argparse.ArgumentParser("stackprop plugins", description=__doc__).parse_args(arguments)
    registry = discover()
    for point in third_party():
        state = "" if point.value in registry.sources else " (not loaded)"
        state = " (disabled)" if label(point) in registry.disabled else state
        dist = f"{point.dist.name} {point.dist.version}" if point.dist else ""
        print(f"{'plugin':13} {point.name:24} {point.value:26} {dist}{state}".rstrip())
    found = [
        (kind, name, entry.provider) for kind, known in registry.entries.items() for name, entry in sorted(known.items())
    ]
    found += [("preset", name, preset.provider) for name, preset in sorted(registry.presets.items())]
    for kind, name, provider in found:
        source = registry.sources.get(provider, Source())
        print(f"{kind:13} {name:24} {provider:26} {source.distribution} {source.version}".rstrip())
    for problem in registry.problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if registry.problems else 0
