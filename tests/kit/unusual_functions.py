"""Activations, losses and regularizers that are right and unusual: the kit must not complain."""

from dataclasses import dataclass
from typing import ClassVar

from framework import T, option
from framework_losses._reduction import columns, weighted_sum, weights


@dataclass(frozen=True)
class Wave:
    """y = sin(30 x)."""

    def forward(self, x, ctx):
        return ctx.xp.sin(30 * x), x

    def backward(self, cache, dy, ctx):
        return 30 * dy * ctx.xp.cos(30 * cache)


@dataclass(frozen=True)
class Exponential:
    """y = e^x, which overflows for large x, as it should."""

    def forward(self, x, ctx):
        y = ctx.xp.exp(x)
        return y, y

    def backward(self, cache, dy, ctx):
        return dy * cache


@dataclass(frozen=True)
class HardSwish:
    """y = x min(max(x + 3, 0), 6) / 6: two kinks."""

    def forward(self, x, ctx):
        return x * ctx.xp.clip(x + 3, 0, 6) / 6, x

    def backward(self, cache, dy, ctx):
        x = cache
        return dy * ctx.xp.where(x <= -3, x * 0, ctx.xp.where(x >= 3, x * 0 + 1, (2 * x + 3) / 6))


@dataclass(frozen=True)
class Absolute:
    """y = |x|; dx = dy sign x, 0 at the kink."""

    def forward(self, x, ctx):
        return ctx.xp.abs(x), x

    def backward(self, cache, dy, ctx):
        return dy * ctx.xp.sign(cache)


@dataclass(frozen=True)
class Root:
    """y = sign x sqrt |x|, infinitely steep at 0, where dx is 0."""

    def forward(self, x, ctx):
        r = ctx.xp.sqrt(ctx.xp.abs(x))
        return ctx.xp.sign(x) * r, r

    def backward(self, cache, dy, ctx):
        return ctx.xp.where(cache > 0, dy / (2 * ctx.xp.where(cache > 0, cache, cache + 1)), dy * 0)


@dataclass(frozen=True)
class Step:
    """y = 1 where x > 0 and 0 elsewhere; dx = dy, straight through."""

    expected_failures: ClassVar[dict] = {"gradient": "straight through: dx = dy"}

    def forward(self, x, ctx):
        return (x > 0).astype(x.dtype), None

    def backward(self, cache, dy, ctx):
        return dy


@dataclass(frozen=True)
class RandomSlope:
    """y = max(x, a x), a ~ U(0, 0.3) in training and 0.15 in evaluation."""

    def forward(self, x, ctx):
        a = 0.3 * ctx.uniform(x) if ctx.train else 0.15
        slope = ctx.xp.where(x > 0, ctx.xp.ones_like(x), a + x * 0)
        return x * slope, slope

    def backward(self, cache, dy, ctx):
        return dy * cache


@dataclass(frozen=True)
class Huber:
    """J = mean of d^2 / 2 where |d| < delta and delta (|d| - delta / 2) beyond."""

    targets: ClassVar = ("real",)
    delta: float = option(1.0, above=0, stackable=True)

    def __call__(self, y, t, ctx, mask=None):
        d, delta = y - t, ctx.per(self.delta, y)
        inner = ctx.xp.clip(d, -delta, delta)
        w = weights(y.shape[:-1], ctx, mask, "mean")
        return weighted_sum((inner * (d - inner / 2)).sum(-1), w, ctx), inner * columns(w)


@dataclass(frozen=True)
class Focal:
    """J = mean of -(1 - p)^2 log p of the true class, p = softmax(y)."""

    targets: ClassVar = ("label",)
    outputs: ClassVar = "raw"

    def __call__(self, y, t, ctx, mask=None):
        xp = ctx.xp
        one = (t[..., None] == xp.arange(y.shape[-1])).astype(y.dtype)
        z = y - y.max(-1, keepdims=True)
        log_p = z - xp.log(xp.exp(z).sum(-1, keepdims=True))
        p = xp.exp(log_p)
        q, log_q = (p * one).sum(-1, keepdims=True), (log_p * one).sum(-1, keepdims=True)
        w = columns(weights(y.shape[:-1], ctx, mask, "mean"))
        slope = 2 * (1 - q) * q * log_q - (1 - q) ** 2  # dJ / dlog q
        return weighted_sum(-((1 - q) ** 2) * log_q, w, ctx), slope * (one - p) * w

    def predict(self, y, ctx):
        e = ctx.xp.exp(y - y.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)


@dataclass(frozen=True)
class Enormous:
    """J = a million times the sum of y^2: large numbers, and no target."""

    targets: ClassVar = ()

    def __call__(self, y, t, ctx, mask=None):
        w = weights(y.shape[:-1], ctx, mask, "sum")
        return weighted_sum(1e6 * (y * y).sum(-1), w, ctx), 2e6 * y * columns(w)


@dataclass(frozen=True)
class Hinge:
    """J = mean of max(0, 1 - s y), s = 1 or -1 for the classes 1 and 0: a kink, and one column."""

    targets: ClassVar = ("binary",)

    def __call__(self, y, t, ctx, mask=None):
        s = (2 * t - 1)[..., None].astype(y.dtype)
        gap = 1 - s * y
        w = weights(y.shape[:-1], ctx, mask, "mean")
        on = (gap > 0).astype(y.dtype)
        return weighted_sum((gap * on).sum(-1), w, ctx), -s * on * columns(w)


@dataclass(frozen=True)
class Orthogonal:
    """R = strength |W^T W - I|^2."""

    tensors: str = option("W")

    def __call__(self, W, ctx):
        E = T(W) @ W - ctx.xp.eye(W.shape[-1], dtype=W.dtype)
        return 0.1 * (E * E).sum((-2, -1)), 0.4 * W @ E


@dataclass(frozen=True)
class Nuclear:
    """R = the sum of the singular values of W, by linalg.svd; dW = U V^T."""

    tensors: str = option("W")

    def __call__(self, W, ctx):
        U, s, V = ctx.xp.linalg.svd(W, full_matrices=False)
        return s.sum(-1), (U * (s > 1e-9 * s[..., :1])[..., None, :].astype(W.dtype)) @ V


@dataclass(frozen=True)
class Positive:
    """No penalty; after each update negative weights become 0: a projection, whatever the rate."""

    tensors: str = option("W")

    def __call__(self, W, ctx):
        return (W * 0).sum((-2, -1)), W * 0

    def after(self, W, lr, ctx):
        W[...] = ctx.xp.maximum(W, 0)


@dataclass(frozen=True)
class Shrink:
    """No penalty; after each update W becomes smaller by lr strength, up to 0."""

    strength: float = option(0.1, least=0, stackable=True)
    tensors: str = option("W")

    def __call__(self, W, ctx):
        return (W * 0).sum((-2, -1)), W * 0

    def after(self, W, lr, ctx):
        W[...] = ctx.xp.sign(W) * ctx.xp.maximum(ctx.xp.abs(W) - lr * ctx.per(self.strength, W), 0)


ACTIVATIONS = [(cls(), None) for cls in (Wave, Exponential, HardSwish, Absolute, Root, Step, RandomSlope)]
LOSSES = [(cls(), None) for cls in (Huber, Focal, Enormous, Hinge)]
REGULARIZERS = [(cls(), None) for cls in (Orthogonal, Nuclear, Positive, Shrink)]
