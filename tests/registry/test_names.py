"""Names of components: exactly those that a command can hold."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from framework.registry.names import name_error


def read(word):
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException:
        return None, None
    return override.key_or_group, override.value()


GOOD = ["adam", "my-probe", "_x", "tf_2", "A", "none", "e5"]
CHOICES = ["adam.v2", "1cycle", "2nd"]  # what follows `=`, and is no part of a key
BAD = ["a,b", "null", "NULL", "true", "nan", "inf", "1e5", "12", "1.5", "[x]", "{x}"]  # the command holds something else
OTHER = [
    "",
    "a b",
    "a=b",
    "-x",
    "~x",
    "a/b",
    "yes",
    "Off",
    "0x1F",
    "2026-01-02",
    "Länge",
]  # elsewhere


@pytest.mark.parametrize("name", GOOD + CHOICES)
def test_names_that_can_be_typed_are_accepted(name):
    assert name_error(name, is_key=False) == ""
    assert read(f"optimizer={name}") == ("optimizer", name)
    assert (name_error(name, is_key=True) == "") == (name in GOOD)
    if name in GOOD:
        assert read(f"probes.{name}.nodes=1") == (f"probes.{name}.nodes", 1)


@pytest.mark.parametrize("name", BAD + OTHER)
def test_names_that_cannot_be_typed_are_refused(name):
    assert name_error(name, is_key=False)
    assert name_error(name, is_key=True)
    if name in BAD:
        assert read(f"optimizer={name}") != ("optimizer", name)


def test_the_message_has_the_way_out():
    assert name_error("my layer", False).endswith("letters a-z, digits, _ - . are allowed; did you mean 'my_layer'?")
    assert name_error("null", False).endswith("as a command would read a value; 'my_null' can be typed")
    assert name_error("2nd", True).endswith("letters a-z, digits, _ -, a letter first, are allowed")
