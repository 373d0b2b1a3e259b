"""Schedules: learning rates along training."""

from framework import hookimpl
from framework.hooks import Register
from framework_schedules.constant import Constant
from framework_schedules.cosine import Cosine
from framework_schedules.exponential import Exponential
from framework_schedules.step import Step
from framework_schedules.warmup import Warmup


@hookimpl
def register_schedules(register: Register) -> None:
    register("constant", Constant)
    register("cosine", Cosine)
    register("exponential", Exponential)
    register("step", Step)
    register("warmup", Warmup)
