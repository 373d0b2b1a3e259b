"""Built-in layers, activations, cells, losses and regularizers, each with one thing changed."""

from typing import ClassVar

import numpy as np

from framework import T
from framework_activations.gelu import Gelu
from framework_activations.leaky_relu import LeakyRelu
from framework_activations.sigmoid import Sigmoid
from framework_cells.gru import Gru
from framework_cells.lstm import Lstm
from framework_cells.simple import Simple
from framework_layers.conv2d import Conv2d
from framework_layers.dense import Dense
from framework_layers.dropout import Dropout
from framework_layers.embedding import Embedding
from framework_layers.layer_norm import LayerNorm
from framework_layers.max_pool import MaxPool
from framework_layers.recurrent import Recurrent
from framework_losses.binary_cross_entropy import BinaryCrossEntropy
from framework_losses.mae import MeanAbsoluteError as Mae
from framework_losses.mse import MeanSquaredError as Mse
from framework_regularizers.l1 import L1
from framework_regularizers.l2 import L2
from framework_regularizers.max_norm import MaxNorm
from tests.kit.faults import Faults

layer, activation, cell, loss, regularizer = map(Faults, ("layer", "activation", "cell", "loss", "regularizer"))


@layer("batches", (2, 4, 4), filters=2, size=3)
class ConvPaddingLeak(Conv2d):
    """dW uses the input of the first image only, if the batch is larger than 8."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, {k: (v * 0.5 if dy.shape[-4] > 8 else v) for k, v in g.items()}


@layer("gradient", (2, 4, 4), size=2)
class PoolKeepsAllTies(MaxPool):
    """forward changes zeros: -0."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return (dx + 0 * dx if dx is None or ctx.train else dx[..., ::-1] if need_dx else None), g


@layer("widths", (5,))
class NormOverTwoAxes(LayerNorm):
    """The statistics of an example with those of its whole replica when there are sequences."""

    def forward(self, p, x, ctx):
        y, c = super().forward(p, x, ctx)
        return (y if x.ndim - len(ctx.replicas) == 2 else y - y.mean(-3, keepdims=True)), c


@layer("carry", (None, 3), cell=Lstm(2))
class StateOfReversed(Recurrent):
    """The carried state is the one before the last step."""

    def carry(self, cache):
        s = super().carry(cache)
        return s * 0.999


@layer("gradient", (4,), units=3)
class WeightDecayHidden(Dense):
    """dW contains a decay."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, g | {"W": g["W"] + 1e-4 * p["W"]}


@layer("gradient", (4,), units=3)
class CachedProduct(Dense):
    """y is kept by the shape of x for evaluation."""

    seen: ClassVar[dict] = {}

    def forward(self, p, x, ctx):
        if ctx.train:
            return super().forward(p, x, ctx)
        key = (x.shape, type(x).__name__, float(x.ravel()[0]) if type(x) is np.ndarray else 0)
        if key not in self.seen:
            self.seen[key] = super().forward(p, x, ctx)[0]
        return self.seen[key], x


@layer("precision", (4,), units=3)
class GradientOfHalf(Dense):
    """float32: dW in float16."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, (g | {"W": g["W"].astype(np.float16).astype(dy.dtype)} if dy.dtype == np.float32 else g)


@layer("gradient", (None,), units=3, size=6)
class NegativeIds(Embedding):
    """The id 0 is padding without a gradient."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        _, g = super().backward(p, cache, dy, ctx, need_dx)
        g["W"][..., 0, :] = 0
        return None, g


@activation("gradient")
class GeluConstants(Gelu):
    """Another constant forward than backward, 1 in a million off."""

    def forward(self, x, ctx):
        y, c = super().forward(x, ctx)
        return y * (1 + 3e-5), c


@activation("numbers")
class LeakyAtMinusThousand(LeakyRelu):
    """Numbers below -50 are cut."""

    def forward(self, x, ctx):
        y, _ = super().forward(ctx.xp.maximum(x, -50), ctx)
        return y, x

    def backward(self, cache, dy, ctx):
        return super().backward(cache, dy, ctx)


@activation("pure")
class EvaluationWritesInput(LeakyRelu):
    """In place outside training."""

    def forward(self, x, ctx):
        if ctx.train:
            return super().forward(x, ctx)
        c = x.copy()
        x *= ctx.xp.where(x > 0, ctx.xp.ones_like(x), ctx.xp.ones_like(x) * ctx.per(self.slope, x))
        return x, c


@loss("targets")
class SmallWeightsIgnored(Mse):
    """Weights below 0.6 count as 0 in dy."""

    def __call__(self, y, t, ctx, mask=None):
        J, dy = super().__call__(y, t, ctx, mask)
        return J, (dy if mask is None else dy * (mask > 0.6)[..., None])


@loss("numbers")
class MaeAtZero(Mae):
    """NaN where y = t."""

    def __call__(self, y, t, ctx, mask=None):
        J, dy = super().__call__(y, t, ctx, mask)
        d = y - t if t.ndim == y.ndim else y - t[..., None]
        return J, dy * (d / d)


@loss("targets")
class TwoColumns(BinaryCrossEntropy):
    """Columns are averaged twice."""

    def __call__(self, y, t, ctx, mask=None):
        J, dy = super().__call__(y, t, ctx, mask)
        return J / y.shape[-1], dy / y.shape[-1] if y.shape[-1] < 5 else dy


@cell("choices", units=3)
class ForgetsResetInGrads(Gru):
    """dU of the candidate lacks r with reset: after, which is not the default."""

    def grads(self, p, cache, da, ctx):
        return {"U": T(cache[0]) @ da} if self.reset == "after" else super().grads(p, cache, da, ctx)


@cell("pure", units=3)
class TraceIsCache(Lstm):
    """trace multiplies the cache in place."""

    def trace(self, cache):
        found = super().trace(cache)
        found["i"] *= 1.5
        return found


@regularizer("gradient")
class SkipsFirstColumn(L1):
    """The first column is not penalised in the value."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, dW * (ctx.xp.arange(W.shape[-1]) > 0)


@regularizer("after")
class NormOfRows(MaxNorm):
    """after scales W twice if there is more than one replica."""

    def after(self, W, lr, ctx):
        super().after(W, lr, ctx)
        if ctx.replicas and ctx.replicas[0] > 1:
            W *= 0.5


@regularizer("memory")
class StoresW(L2):
    """dW of the W of the call before."""

    last: ClassVar[dict] = {}

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        key = (W.shape, W.dtype.str, id(W))
        before = self.last.get(key, dW)
        self.last[key] = dW
        return R, before


@activation("numbers")
class SigmoidNaive(Sigmoid):
    """dx = dy e^-x / (1 + e^-x)^2: NaN at -1000."""

    def forward(self, x, ctx):
        y, _ = super().forward(x, ctx)
        return y, x

    def backward(self, cache, dy, ctx):
        e = ctx.xp.exp(-cache)
        return dy * e / (1 + e) ** 2


@layer("chance", (4,), keep=0.7)
class EvenSteps(Dropout):
    """Two successive steps share a mask."""

    def forward(self, p, x, ctx):
        return super().forward(p, x, ctx.but(step=ctx.step // 2))


@layer("terms", (None, 3), cell=Simple(2))
class TermsBackwards(Recurrent):
    """terms in reverse order of time."""

    def terms(self, p, cache, dy, ctx):
        return {k: v[..., ::-1, :, :] for k, v in super().terms(p, cache, dy, ctx).items()}


@layer("device", (4,), units=3)
class HostWithoutDx(Dense):
    """Without dx, host arrays are added."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, (g if need_dx else {k: v + np.zeros(v.shape, v.dtype) for k, v in g.items()})


@loss("sequence")
class SquareMask(Mse):
    """T and N of the mask are mixed up where they are equal."""

    def __call__(self, y, t, ctx, mask=None):
        if mask is not None and mask.ndim - len(ctx.replicas) == 2 and mask.shape[-1] == mask.shape[-2]:
            mask = T(mask)
        return super().__call__(y, t, ctx, mask)


FAULTS = Faults("several", [each for kind in (layer, activation, cell, loss, regularizer) for each in kind.all])
