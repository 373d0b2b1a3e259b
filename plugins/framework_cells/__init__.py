"""One step of a recurrent layer."""

from framework import hookimpl
from framework.hooks import Register
from framework_cells.gru import Gru
from framework_cells.indrnn import IndRnn
from framework_cells.lstm import Lstm
from framework_cells.peephole_lstm import PeepholeLstm
from framework_cells.simple import Simple


@hookimpl
def register_cells(register: Register) -> None:
    register("gru", Gru)
    register("indrnn", IndRnn)
    register("lstm", Lstm)
    register("peephole_lstm", PeepholeLstm)
    register("simple", Simple)
