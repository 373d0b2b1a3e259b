"""The usual layers as modules of PyTorch: what constructs each, its weights, and how it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from framework.core.types import Params, Shape
from framework.registry.discovery import discover

# An activation at x; {name} is an option of it.
FUNCTIONS = {
    "linear": "{x}",
    "relu": "F.relu({x})",
    "relu6": "F.relu6({x})",
    "leaky_relu": "F.leaky_relu({x}, {slope})",
    "elu": "F.elu({x}, {alpha})",
    "selu": "F.selu({x})",
    "silu": "F.silu({x})",
    "mish": "F.mish({x})",
    "softplus": "F.softplus({x}, {beta})",
    "hard_tanh": "F.hardtanh({x})",
    "tanh": "torch.tanh({x})",
    "sigmoid": "torch.sigmoid({x})",
}
# The prediction of a loss at y.
PREDICTIONS = {
    **dict.fromkeys(("softmax_cross_entropy", "focal", "kl_divergence"), "torch.softmax({y}, -1)"),
    **dict.fromkeys(("binary_cross_entropy", "binary_focal"), "torch.sigmoid({y})"),
    **dict.fromkeys(("mse", "mae", "huber", "half_squared_error", "cross_entropy"), "{y}"),
}


USUAL = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}  # of a convolution


class NoModuleError(Exception):
    """A layer, or an option of it, that has no module here."""


@dataclass(frozen=True)
class TorchLayer:
    """A layer in PyTorch.

    Attributes:
        call: the expression of its output; {x} is its input, {x0}, {x1} ... are several inputs, {self} is its module,
            {units} the number of its outputs.
        module: what constructs the module; empty: there is none.
        state: tensor -> values, of the module.
    """

    call: str
    module: str = ""
    state: Mapping[str, np.ndarray] = field(default_factory=dict)


def name_of(component: Any, kind: str) -> str:
    """The name under which a component is registered."""
    entries = discover().entries[kind].items()
    return next((name for name, entry in entries if entry.component is type(component)), type(component).__name__)


def torch_layer(layer: Any, p: Params, in_shape: Any) -> TorchLayer:
    """A layer with its weights.

    Args:
        in_shape: the shape of its input without N, or of several inputs.

    Raises:
        NoModuleError: it has no counterpart here.
    """
    name = name_of(layer, "layer")
    if name not in LAYERS:
        raise NoModuleError(f"the layer '{name}' has no module of PyTorch here")
    return LAYERS[name](layer, {t: np.asarray(a) for t, a in p.items()}, in_shape)


def expression(function: Any, x: str = "{x}") -> str:
    """An activation as an expression.

    Raises:
        NoModuleError: it has none here.
    """
    name = name_of(function, "activation")
    if name == "gelu":
        return f"F.gelu({x}, approximate={'tanh' if function.form == 'tanh' else 'none'!r})"
    if name == "softmax" and function.normalize == "max":
        return f"torch.softmax({x}, -1)"
    if name not in FUNCTIONS:
        raise NoModuleError(f"the activation '{name}' has no function of PyTorch here")
    return FUNCTIONS[name].format(x=x, **vars(function))


def _dense(layer: Any, p: Params, shape: Shape) -> TorchLayer:
    inputs, outputs = p["W"].shape
    state = {"weight": p["W"].T} | ({"bias": p["b"][0]} if "b" in p else {})
    return TorchLayer("{self}({x})", f"nn.Linear({inputs}, {outputs}{'' if 'b' in p else ', bias=False'})", state)


def _conv2d(layer: Any, p: Params, shape: Shape) -> TorchLayer:
    channels, kernel = shape[0], tuple(_pair(layer.size))
    weight = p["W"].T.reshape(layer.filters, -1, *kernel)
    how = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation, "groups": layer.groups}
    options = [f"{key}={tuple(v) if isinstance(v, list) else v!r}" for key, v in how.items() if v != USUAL[key]]
    options += [] if "b" in p else ["bias=False"]
    made = ", ".join([str(channels), str(layer.filters), str(kernel), *options])
    return TorchLayer("{self}({x})", f"nn.Conv2d({made})", {"weight": weight} | ({"bias": p["b"][0]} if "b" in p else {}))


def _batch_norm(layer: Any, p: Params, shape: Shape) -> TorchLayer:
    if len(shape) == 2:
        raise NoModuleError("batch_norm of sequences has no module of PyTorch here")
    kind = "BatchNorm2d" if len(shape) == 3 else "BatchNorm1d"
    state = {"weight": p["gamma"][0], "bias": p["beta"][0], "running_mean": p["mean"][0], "running_var": p["var"][0]}
    made = f"nn.{kind}({p['gamma'].shape[-1]}, eps={layer.eps}, momentum={round(1 - layer.momentum, 12)})"
    return TorchLayer("{self}({x})", made, state)


def _norm(kind: str) -> Callable[..., TorchLayer]:
    def made(layer: Any, p: Params, shape: Shape) -> TorchLayer:
        if len(shape) > 2:
            raise NoModuleError(f"{name_of(layer, 'layer')} of images has no module of PyTorch here")
        state = {"weight": p["gamma"][0]} | ({"bias": p["beta"][0]} if "beta" in p else {})
        return TorchLayer("{self}({x})", f"nn.{kind}({p['gamma'].shape[-1]}, eps={layer.eps})", state)

    return made


def _embedding(layer: Any, p: Params, shape: Shape) -> TorchLayer:
    size, units = p["W"].shape
    return TorchLayer("{self}({x})", f"nn.Embedding({size}, {units})", {"weight": p["W"]})


def _recurrent(layer: Any, p: Params, shape: Any) -> TorchLayer:
    """Columns of gates in PyTorch: i, f, g, o of an LSTM, r, z, n of a GRU; there the bias comes in two parts."""
    if shape and isinstance(shape[0], tuple):
        raise NoModuleError("a recurrent layer with a given first state has no module of PyTorch here")
    cell, kind = layer.cell, name_of(layer.cell, "cell")
    order, made, more = {"lstm": ((0, 1, 3, 2), "LSTM", ""), "gru": ((0, 1, 2), "GRU", "")}.get(kind, ((0,), "RNN", ""))
    if kind in ("simple", "elman"):
        function = name_of(cell.activation, "activation")
        if function not in ("tanh", "relu"):
            raise NoModuleError(f"nn.RNN has no activation '{function}'; tanh or relu")
        more = ", nonlinearity='relu'" if function == "relu" else ""
    elif kind == "gru" and (cell.reset, cell.z) != ("after", "keep"):
        raise NoModuleError("nn.GRU is the form reset: after, z: keep; this cell has another one")
    elif kind not in ("lstm", "gru"):
        raise NoModuleError(f"the cell '{kind}' has no module of PyTorch here")
    n = cell.units
    b = p["b"] if "b" in p else np.zeros((1, len(order) * n))

    def sorted_gates(a: np.ndarray) -> np.ndarray:
        return np.concatenate([a[:, k * n : (k + 1) * n] for k in order], -1)

    state = {"weight_ih_l0": sorted_gates(p["W"]).T, "weight_hh_l0": sorted_gates(p["U"]).T}
    state |= {"bias_ih_l0": sorted_gates(b)[0], "bias_hh_l0": np.zeros(len(order) * n)}
    x = "{x}.flip(1)" if layer.reverse else "{x}"
    ends = {"all": "[0].flip(1)" if layer.reverse else "[0]", "last": "[0][:, -1]"}
    if layer.output not in ends and kind == "lstm":
        raise NoModuleError("output: state of an lstm has no module of PyTorch here")
    call = f"{{self}}({x}){ends.get(layer.output, '[0][:, -1]')}"
    return TorchLayer(call, f"nn.{made}({shape[-1]}, {n}, batch_first=True{more})", state)


def _pool(function: str, more: str = "") -> Callable[..., TorchLayer]:
    def made(layer: Any, p: Params, shape: Shape) -> TorchLayer:
        size = tuple(_pair(layer.size))
        stride = size if layer.stride is None else tuple(_pair(layer.stride))
        padding = tuple(_pair(layer.padding))
        counted = f", count_include_pad={layer.count_include_pad}" if hasattr(layer, "count_include_pad") else ""
        return TorchLayer(f"F.{function}({{x}}, {size}, {stride}, {padding}{counted}){more}")

    return made


def _flatten(layer: Any, p: Params, shape: Shape) -> TorchLayer:
    if len(shape) == 2:
        raise NoModuleError("flatten of sequences has no module of PyTorch here")
    return TorchLayer("{x}.flatten(1)")


def _one_hot(layer: Any, p: Params, shape: Shape) -> TorchLayer:
    return TorchLayer("F.one_hot({x}, {units}).float()")


def _pair(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value, value)


def _joined(sign: str) -> Callable[..., TorchLayer]:
    return lambda layer, p, shape: TorchLayer(sign.join(f"{{x{i}}}" for i in range(len(shape))))


def _concat(layer: Any, p: Params, shape: Any) -> TorchLayer:
    axis = 1 if len(shape[0]) == 3 else -1
    return TorchLayer(f"torch.cat([{', '.join(f'{{x{i}}}' for i in range(len(shape)))}], {axis})")


LAYERS: dict[str, Callable[..., TorchLayer]] = {
    "activation": lambda layer, p, shape: TorchLayer(expression(layer.function)),
    "add": _joined(" + "),
    "average_pool": _pool("avg_pool2d"),
    "batch_norm": _batch_norm,
    "concat": _concat,
    "conv2d": _conv2d,
    "dense": _dense,
    "dropout": lambda layer, p, shape: TorchLayer("{self}({x})", f"nn.Dropout({round(1 - layer.keep, 12)})"),
    "embedding": _embedding,
    "flatten": _flatten,
    "global_pool": lambda layer, p, shape: TorchLayer(f"{{x}}.{'amax' if layer.kind == 'max' else 'mean'}((2, 3))"),
    "gradient_scale": lambda layer, p, shape: TorchLayer("{x}"),
    "layer_norm": _norm("LayerNorm"),
    "max_pool": _pool("max_pool2d"),
    "mean_over_time": lambda layer, p, shape: TorchLayer("{x}.mean(1)"),
    "max_over_time": lambda layer, p, shape: TorchLayer("{x}.amax(1)"),
    "multiply": _joined(" * "),
    "one_hot": _one_hot,
    "recurrent": _recurrent,
    "rms_norm": _norm("RMSNorm"),
}
