"""Questions about training, answered in one run each."""

from framework import hookimpl
from framework.hooks import Register
from framework_studies.bias_variance import BiasVariance
from framework_studies.gradcheck import Gradcheck
from framework_studies.trace import Trace


@hookimpl
def register_studies(register: Register) -> None:
    register("bias_variance", BiasVariance)
    register("gradcheck", Gradcheck)
    register("trace", Trace)
