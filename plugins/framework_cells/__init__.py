"""Cells: one step of a recurrent layer."""

from framework import hookimpl
from framework.hooks import Register
from framework_cells.fixed_lstm import FixedLstm
from framework_cells.g2_lstm import G2Lstm
from framework_cells.gru import Gru
from framework_cells.indrnn import IndRnn
from framework_cells.lstm import Lstm
from framework_cells.masked_lstm import MaskedLstm
from framework_cells.peephole_lstm import PeepholeLstm
from framework_cells.simple import Simple
from framework_cells.skip import Skip


@hookimpl
def register_cells(register: Register) -> None:
    register("fixed_lstm", FixedLstm)
    register("g2_lstm", G2Lstm)
    register("gru", Gru)
    register("indrnn", IndRnn)
    register("lstm", Lstm)
    register("masked_lstm", MaskedLstm)
    register("peephole_lstm", PeepholeLstm)
    register("simple", Simple)
    register("skip", Skip)
    register("elman", Simple)  # the notes' name for it
