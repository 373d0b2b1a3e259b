"""Studies: questions about training, each answered in one run."""

from framework import hookimpl
from framework.hooks import Register
from framework_studies.bias_variance import BiasVariance
from framework_studies.gradcheck import Gradcheck
from framework_studies.learning_curve import LearningCurve
from framework_studies.lr_range import LrRange
from framework_studies.overfit_batch import OverfitBatch
from framework_studies.trace import Trace


@hookimpl
def register_studies(register: Register) -> None:
    register("bias_variance", BiasVariance)
    register("gradcheck", Gradcheck)
    register("learning_curve", LearningCurve)
    register("lr_range", LrRange)
    register("overfit_batch", OverfitBatch)
    register("trace", Trace)
