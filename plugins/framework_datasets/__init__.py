"""Data from your own files, data that comes with the framework, and data that is drawn by it."""

from framework import hookimpl
from framework.hooks import Register
from framework_datasets.csv import Csv
from framework_datasets.digits import Digits
from framework_datasets.linear import Linear
from framework_datasets.npz import Npz
from framework_datasets.quadratic import Quadratic
from framework_datasets.shifted_digits import ShiftedDigits
from framework_datasets.sine import Sine
from framework_datasets.spirals import Spirals
from framework_datasets.wine import Wine
from framework_datasets.xor import Xor


@hookimpl
def register_datasets(register: Register) -> None:
    register("csv", Csv)
    register("digits", Digits)
    register("linear", Linear)
    register("npz", Npz)
    register("quadratic", Quadratic)
    register("shifted_digits", ShiftedDigits)
    register("sine", Sine)
    register("spirals", Spirals)
    register("wine", Wine)
    register("xor", Xor)
