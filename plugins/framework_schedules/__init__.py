"""Schedules: learning rates, and other options, along training."""

from framework import hookimpl
from framework.hooks import Register
from framework_schedules.constant import Constant
from framework_schedules.cosine import Cosine
from framework_schedules.exponential import Exponential
from framework_schedules.linear import Linear
from framework_schedules.one_cycle import OneCycle
from framework_schedules.polynomial import Polynomial
from framework_schedules.reduce_on_plateau import ReduceOnPlateau
from framework_schedules.step import Step
from framework_schedules.warm_restarts import WarmRestarts
from framework_schedules.warmup import Warmup


@hookimpl
def register_schedules(register: Register) -> None:
    register("constant", Constant)
    register("cosine", Cosine)
    register("exponential", Exponential)
    register("linear", Linear)
    register("one_cycle", OneCycle)
    register("polynomial", Polynomial)
    register("reduce_on_plateau", ReduceOnPlateau)
    register("step", Step)
    register("warm_restarts", WarmRestarts)
    register("warmup", Warmup)
