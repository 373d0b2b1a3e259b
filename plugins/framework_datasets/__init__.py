"""Data from your own files, data that comes with the framework, and generated data."""

from framework import hookimpl
from framework.hooks import Register
from framework_datasets.adding import Adding
from framework_datasets.breast_cancer import BreastCancer
from framework_datasets.captions import Captions
from framework_datasets.conll import Conll
from framework_datasets.copy import Copy
from framework_datasets.csv import Csv
from framework_datasets.diabetes import Diabetes
from framework_datasets.digits import Digits
from framework_datasets.entities import Entities
from framework_datasets.entity_windows import EntityWindows
from framework_datasets.given import Given
from framework_datasets.hello import Hello
from framework_datasets.iris import Iris
from framework_datasets.lagged_inputs import LaggedInputs
from framework_datasets.latch import Latch
from framework_datasets.linear import Linear
from framework_datasets.npy import Npy
from framework_datasets.npz import Npz
from framework_datasets.quadratic import Quadratic
from framework_datasets.reverse import Reverse
from framework_datasets.sentences import Sentences
from framework_datasets.sentiment import Sentiment
from framework_datasets.series import Series
from framework_datasets.shifted_digits import ShiftedDigits
from framework_datasets.sine import Sine
from framework_datasets.sine_series import SineSeries
from framework_datasets.spirals import Spirals
from framework_datasets.tagging import Tagging
from framework_datasets.text import Text
from framework_datasets.weather import Weather
from framework_datasets.wine import Wine
from framework_datasets.xor import Xor


@hookimpl
def register_datasets(register: Register) -> None:
    register("adding", Adding)
    register("breast_cancer", BreastCancer)
    register("captions", Captions)
    register("conll", Conll)
    register("copy", Copy)
    register("csv", Csv)
    register("diabetes", Diabetes)
    register("digits", Digits)
    register("entities", Entities)
    register("entity_windows", EntityWindows)
    register("given", Given)
    register("hello", Hello)
    register("iris", Iris)
    register("lagged_inputs", LaggedInputs)
    register("latch", Latch)
    register("linear", Linear)
    register("npy", Npy)
    register("npz", Npz)
    register("quadratic", Quadratic)
    register("reverse", Reverse)
    register("sentences", Sentences)
    register("sentiment", Sentiment)
    register("series", Series)
    register("shifted_digits", ShiftedDigits)
    register("sine", Sine)
    register("sine_series", SineSeries)
    register("spirals", Spirals)
    register("tagging", Tagging)
    register("text", Text)
    register("weather", Weather)
    register("wine", Wine)
    register("xor", Xor)
