"""Penalties on weights."""

from framework import hookimpl
from framework.hooks import Register
from framework_regularizers.l1 import L1
from framework_regularizers.l2 import L2
from framework_regularizers.max_norm import MaxNorm


@hookimpl
def register_regularizers(register: Register) -> None:
    register("l1", L1)
    register("l2", L2)
    register("max_norm", MaxNorm)
