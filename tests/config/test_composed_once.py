"""Tests compose the chosen presets once in a process (tests/support/composing.py): it changes nothing."""

import pytest
from shell import stackprop

COMMANDS = {
    "values": ["dataset=wine", "dataset.scale=standard", "model.hidden=3"],
    "other values": ["dataset=wine", "dataset.scale=minmax", "model.hidden=5"],
    "presets": ["experiment=dead_relu", "optimizer=adam", "+experiment/remedy=dropout"],
    "several and none": ["augmentation=[noise,scale]", "probes=null"],
    "a wrong choice": ["dataset=wine", "model=nothing"],
    "a wrong value": ["model=lstm", "dataset=hello", "model.nothing=3"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_in_this_process_is_that_of_another(name, ask, tmp_path):
    for _ in range(2):
        status, out, err = ask(*COMMANDS[name], "--cfg", "job")
    done = stackprop(tmp_path, *COMMANDS[name], "--cfg", "job")
    assert (status, out, err) == (done.returncode, done.stdout, done.stderr)
