"""Optimizers with one fault each in the point at which they take the gradient."""

import numpy as np

from framework_optimizers.nag import Nag
from tests.kit.faults import Faults

FAULTS = fault = Faults("optimizer")


@fault("lookahead")
class AheadInPlace(Nag):
    """lookahead moves w."""

    def lookahead(self, w, state, ctx):
        w += 0.9 * state["M"]
        return w


@fault("lookahead")
class AheadChangesState(Nag):
    """lookahead decays M, which update does again."""

    def lookahead(self, w, state, ctx):
        state["M"] *= 0.9
        return w + state["M"]


@fault("stack_law")
class AheadOfTheFirst(Nag):
    """lookahead reads the option without its replica axes."""

    def lookahead(self, w, state, ctx):
        alpha = self.alpha if isinstance(self.alpha, float) else self.alpha.reshape(-1)[0]
        return w + alpha * state["M"]


@fault("lookahead")
class AheadInDouble(Nag):
    """lookahead returns float64."""

    def lookahead(self, w, state, ctx):
        return w + np.float64(0.9) * state["M"].astype(np.float64)


@fault("device")
class AheadOnTheHost(Nag):
    """lookahead uses NumPy."""

    def lookahead(self, w, state, ctx):
        return w + 0.9 * np.asarray(state["M"])
