"""The learning rate along training."""

from framework import hookimpl
from framework.hooks import Register
from framework_schedules.constant import Constant


@hookimpl
def register_schedules(register: Register) -> None:
    register("constant", Constant)
