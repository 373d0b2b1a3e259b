"""Optimizers: update rules, from a gradient to a step."""

from framework import hookimpl
from framework.hooks import Register
from framework_optimizers.adadelta import Adadelta
from framework_optimizers.adagrad import Adagrad
from framework_optimizers.adam import Adam
from framework_optimizers.adamw import Adamw
from framework_optimizers.lamb import Lamb
from framework_optimizers.lars import Lars
from framework_optimizers.lion import Lion
from framework_optimizers.momentum import Momentum
from framework_optimizers.muon import Muon
from framework_optimizers.nadam import Nadam
from framework_optimizers.nag import Nag
from framework_optimizers.radam import Radam
from framework_optimizers.rmsprop import Rmsprop
from framework_optimizers.sgd import Sgd


@hookimpl
def register_optimizers(register: Register) -> None:
    register("adadelta", Adadelta)
    register("adagrad", Adagrad)
    register("adam", Adam)
    register("adamw", Adamw)
    register("lamb", Lamb)
    register("lars", Lars)
    register("lion", Lion)
    register("momentum", Momentum)
    register("muon", Muon)
    register("nadam", Nadam)
    register("nag", Nag)
    register("radam", Radam)
    register("rmsprop", Rmsprop)
    register("sgd", Sgd)
