"""`stackprop check NAME`: the conformance kit on a registered component."""

from __future__ import annotations

import argparse
import unittest
from collections.abc import Sequence

from framework.cli.commands.naming import find
from framework.testing import conformance, examples


def main(arguments: Sequence[str]) -> int:
    """Print a line per check; 0 if all hold, 1 otherwise."""
    parser = argparse.ArgumentParser("stackprop check", description=__doc__)
    parser.add_argument("name", help="a component: adam, or optimizer/adam")
    kind, name, component = find(parser.parse_args(arguments).name)
    failed = total = 0
    for example, in_shape in examples(component):
        print(f"{kind} '{name}': {example}" + (f" on {in_shape}" if in_shape else ""))
        checks = conformance(kind, example, in_shape)
        for check in checks:
            total += 1
            try:
                check()
                print(f"  ok      {check.name}")
            except unittest.SkipTest as why:
                total -= 1
                print(f"  skipped {check.name}: {why}")
            except Exception as error:  # a broken component may raise anything
                failed += 1
                print(f"  FAILED  {check.name}: {type(error).__name__}: {error}")
                if len(checks) == 1 and check.name == "declaration":
                    print("  the other checks follow once it can be called")
    print(f"{total - failed} of {total} checks passed")
    return 1 if failed else 0
