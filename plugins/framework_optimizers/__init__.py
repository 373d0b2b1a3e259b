"""How a gradient becomes a step."""

from framework import hookimpl
from framework.hooks import Register
from framework_optimizers.adam import Adam
from framework_optimizers.momentum import Momentum
from framework_optimizers.nag import Nag
from framework_optimizers.sgd import Sgd


@hookimpl
def register_optimizers(register: Register) -> None:
    register("adam", Adam)
    register("momentum", Momentum)
    register("nag", Nag)
    register("sgd", Sgd)
