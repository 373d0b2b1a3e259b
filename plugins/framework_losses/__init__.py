"""Losses: what training minimizes."""

from framework import hookimpl
from framework.hooks import Register
from framework_losses.binary_cross_entropy import BinaryCrossEntropy
from framework_losses.binary_focal import BinaryFocal
from framework_losses.crf import Crf
from framework_losses.cross_entropy import CrossEntropy
from framework_losses.focal import Focal
from framework_losses.gaussian_nll import GaussianNll
from framework_losses.half_squared_error import HalfSquaredError
from framework_losses.huber import Huber
from framework_losses.kl_divergence import KlDivergence
from framework_losses.mae import MeanAbsoluteError
from framework_losses.max_margin import MaxMargin
from framework_losses.mse import MeanSquaredError
from framework_losses.msle import MeanSquaredLogError
from framework_losses.score import Score
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy


@hookimpl
def register_losses(register: Register) -> None:
    register("binary_cross_entropy", BinaryCrossEntropy)
    register("binary_focal", BinaryFocal)
    register("crf", Crf)
    register("cross_entropy", CrossEntropy)
    register("focal", Focal)
    register("gaussian_nll", GaussianNll)
    register("half_squared_error", HalfSquaredError)
    register("huber", Huber)
    register("kl_divergence", KlDivergence)
    register("mae", MeanAbsoluteError)
    register("max_margin", MaxMargin)
    register("mse", MeanSquaredError)
    register("msle", MeanSquaredLogError)
    register("score", Score)
    register("softmax_cross_entropy", SoftmaxCrossEntropy)
