"""Probes: measurements inside training steps."""

from framework import hookimpl
from framework.hooks import Register
from framework_probes.activation_spread import ActivationSpread
from framework_probes.dead import Dead
from framework_probes.effective_rate import EffectiveRate
from framework_probes.gates import Gates
from framework_probes.gradient_by_lag import GradientByLag
from framework_probes.gradient_cosine import GradientCosine
from framework_probes.gradient_noise import GradientNoise
from framework_probes.saturated import Saturated
from framework_probes.sensitivity import Sensitivity
from framework_probes.sharpness import Sharpness
from framework_probes.update_ratio import UpdateRatio
from framework_probes.weights import Weights


@hookimpl
def register_probes(register: Register) -> None:
    register("activation_spread", ActivationSpread)
    register("dead", Dead)
    register("effective_rate", EffectiveRate)
    register("gates", Gates)
    register("gradient_by_lag", GradientByLag)
    register("gradient_cosine", GradientCosine)
    register("gradient_noise", GradientNoise)
    register("saturated", Saturated)
    register("sensitivity", Sensitivity)
    register("sharpness", Sharpness)
    register("update_ratio", UpdateRatio)
    register("weights", Weights)
