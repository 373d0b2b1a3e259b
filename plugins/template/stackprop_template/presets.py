from framework import hookimpl
from framework.hooks import RegisterPresets


@hookimpl
def register_presets(register: RegisterPresets) -> None:
    register("stackprop_template.conf")
