"""The conformance kit on every component of the plugin: gradients, the stack law, purity, dtype, and more."""

import pytest

from framework import discover
from framework.testing import conformance, examples

COMPONENTS = [
    (kind, name, entry.component)
    for kind, known in discover().entries.items()
    for name, entry in known.items()
    if entry.provider == "stackprop_template"
]
CHECKS = {
    f"{kind} {name} {i}: {check.name}": check
    for kind, name, component in COMPONENTS
    for i, (example, in_shape) in enumerate(examples(component))
    for check in conformance(kind, example, in_shape)
}


def test_the_plugin_is_installed():
    """Otherwise there would be nothing to check."""
    assert COMPONENTS, "pip install -e . makes it known"


@pytest.mark.parametrize("name", CHECKS)
def test_conformance(name):
    """One check of one component."""
    CHECKS[name]()
