"""Data that comes with the framework, or is drawn by it."""

from framework import hookimpl
from framework.hooks import Register
from framework_datasets.digits import Digits
from framework_datasets.sine import Sine
from framework_datasets.spirals import Spirals
from framework_datasets.xor import Xor


@hookimpl
def register_datasets(register: Register) -> None:
    register("digits", Digits)
    register("sine", Sine)
    register("spirals", Spirals)
    register("xor", Xor)
