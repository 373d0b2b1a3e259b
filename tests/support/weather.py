"""The weather network of the notes, and what tests of recurrent layers share."""

import numpy as np

from framework import Context, Network, T, discover
from framework.nn.heads import Head, total_loss

get = discover().get


def recurrent(cell, *options, output="all", **more):
    return get("layer", "recurrent")(get("cell", cell)(*options, **more), output)


WHX = np.array([[0.28, 0.84, 0.57, 0.48], [0.90, 0.87, 0.69, 0.18], [0.53, 0.09, 0.55, 0.49]])
WHH = np.array([[0.41, 0.12, 0.13], [0.51, 0.24, 0.26], [0.61, 0.34, 0.36]])
WHY = np.array([[0.37, 0.97, 0.83], [0.39, 0.28, 0.65], [0.64, 0.19, 0.33], [0.91, 0.32, 0.14]])
BIAS, FIRST = np.array([[0.51, 0.62, 0.73]]), np.array([[0.11, 0.21, 0.31]])
WEATHER = Network(
    {"rnn": recurrent("simple", 3), "out": get("layer", "dense")(4, bias=False)}, {"x": (None, 4), "y": (None,)}
)
TENSORS = {"rnn": {"W": T(WHX), "U": T(WHH), "b": BIAS}, "out": {"W": T(WHY)}}
SCR = np.eye(4)[:3, None, :]  # S, C, R, one-hot, (T, N, F)
CRT = np.array([[1], [2], [3]])  # the weather that followed
LOSS = {"loss": Head(get("loss", "softmax_cross_entropy")(reduction="sum"), "out")}


def weather(tensors=TENSORS, steps=3):
    ctx = Context(batch={"x": SCR[:steps], "y": CRT[:steps]}, carry={"rnn": FIRST})
    values, caches = WEATHER.forward(tensors, ctx)
    loss, dvalues = total_loss(LOSS, values, ctx)
    g = {node: {t: np.zeros_like(a) for t, a in p.items()} for node, p in tensors.items()}
    dvalues = WEATHER.backward(tensors, caches, dvalues, g, ctx)
    return values, float(loss), g, caches, dvalues, ctx


class Twice:
    """tanh(tanh(x)), for E27."""

    def forward(self, x, ctx):
        return np.tanh(np.tanh(x)), None
