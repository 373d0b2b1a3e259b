"""The hooks of the plugin: names of its components."""

from framework import hookimpl
from framework.hooks import Register, RegisterPresets
from stackprop_template.scale import Scale
from stackprop_template.signum import Signum
from stackprop_template.swish import Swish


@hookimpl
def register_layers(register: Register) -> None:
    register("template_scale", Scale)


@hookimpl
def register_activations(register: Register) -> None:
    register("template_swish", Swish)


@hookimpl
def register_optimizers(register: Register) -> None:
    register("template_signum", Signum)


@hookimpl
def register_presets(register: RegisterPresets) -> None:
    register("stackprop_template.conf")
