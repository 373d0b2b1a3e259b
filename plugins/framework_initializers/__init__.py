"""Initial values of a tensor."""

from framework import hookimpl
from framework.hooks import Register
from framework_initializers.constant import Constant
from framework_initializers.he_normal import HeNormal
from framework_initializers.he_uniform import HeUniform
from framework_initializers.lecun_normal import LecunNormal
from framework_initializers.lecun_uniform import LecunUniform
from framework_initializers.normal import Normal
from framework_initializers.orthogonal import Orthogonal
from framework_initializers.truncated_normal import TruncatedNormal
from framework_initializers.uniform import Uniform
from framework_initializers.xavier_normal import XavierNormal
from framework_initializers.xavier_uniform import XavierUniform
from framework_initializers.zeros import Zeros


@hookimpl
def register_initializers(register: Register) -> None:
    register("constant", Constant)
    register("he_normal", HeNormal)
    register("he_uniform", HeUniform)
    register("lecun_normal", LecunNormal)
    register("lecun_uniform", LecunUniform)
    register("normal", Normal)
    register("orthogonal", Orthogonal)
    register("truncated_normal", TruncatedNormal)
    register("uniform", Uniform)
    register("xavier_normal", XavierNormal)
    register("xavier_uniform", XavierUniform)
    register("zeros", Zeros)
