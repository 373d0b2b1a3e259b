"""Faults that show where inputs are equal, in a second source, and in a state that is put in a new place."""

from typing import ClassVar

import numpy as np

from framework import option
from framework_layers.add import Add
from tests.kit.faults import Faults
from tests.kit.faults._nothing import Nothing

layer, activation, schedule = Faults("layer"), Faults("activation"), Faults("schedule")
FAULTS = Faults("any")


@layer("ties", (None, 3))
class EveryMaximum(Nothing):
    """All steps that are equal to the largest get the whole gradient."""

    reverse: ClassVar = True

    def init(self, rng, in_shape):
        return {}, in_shape[1:]

    def forward(self, p, x, ctx):
        y = x.max(-3)
        return y, x == y[..., None, :, :]

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (cache * dy[..., None, :, :] if need_dx else None), {}


@activation("ties")
class Spread:
    """y = x - max x; every largest x gets the gradient of the maximum."""

    def forward(self, x, ctx):
        most = x.max(-1, keepdims=True)
        return x - most, x == most

    def backward(self, cache, dy, ctx):
        return dy - cache * dy.sum(-1, keepdims=True)


@layer("reverse", ((None, 3), (None, 3)))
class LaterStepsOfTheSecond(Add):
    """Adds the mean over time of its second source to each step of the first."""

    def forward(self, p, x, ctx):
        first, second = x
        return first + second.mean(-3, keepdims=True), second

    def backward(self, p, cache, dy, ctx, need_dx=True):
        mean = dy.sum(-3, keepdims=True) / cache.shape[-3]
        return ((dy, mean + cache * 0) if need_dx else None), {}


@schedule("validated")
class NewState:
    """Changes a copy of the state, which is lost."""

    monitor: str = option("val/loss")

    def init(self, replicas):
        return {"factor": np.ones(replicas)}

    def __call__(self, step, total, state):
        return state["factor"].copy()

    def validated(self, state, metrics, lower_is_better):
        state = {"factor": state["factor"] * 0.5}


FAULTS.all = [*layer.all, *activation.all, *schedule.all]
