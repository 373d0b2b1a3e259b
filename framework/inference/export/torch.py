"""A trained network as source code of a PyTorch module, with its weights in a file of plain arrays."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from framework.core.errors import ConfigError
from framework.core.version import __version__
from framework.inference.export.onnx import read_fields
from framework.inference.export.torch_layers import PREDICTIONS, NoModuleError, TorchLayer, name_of, torch_layer
from framework.inference.model import Model

SOURCE = '''\
"""{title}

    net = load()           # the weights are in {weights}
    net.predict({given})

Written by stackprop {version}. Arrays are (N, ...), sequences (N, T, F).
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
{modules}

    def forward(self, {given}):
        """The outputs that the loss reads."""
{lines}
        return {result}

    def predict(self, {given}):
        """{about}"""
        with torch.no_grad():
            y = self({given})
{prediction}


def load(file=Path(__file__).with_suffix(".npz")):
    """The trained network."""
    net = Net()
    with np.load(file) as weights:
        net.load_state_dict({{name: torch.from_numpy(weights[name]) for name in weights.files}})
    return net.eval()
'''


@dataclass(frozen=True)
class TorchModel:
    """An exported network.

    Attributes:
        source: the Python code of its module.
        state: its `state_dict`, as arrays.
    """

    source: str
    state: dict[str, np.ndarray]


def to_torch(model: Model, title: str, weights: str) -> TorchModel:
    """A network of the usual layers as a module of PyTorch.

    Args:
        title: the first line of the source.
        weights: the name of the file that holds the weights.

    Raises:
        ConfigError: it has a layer, or an option, that has no counterpart here.
    """
    if len(model.heads) > 1 or not isinstance(model.head.source, str):
        raise ConfigError("torch: only networks with one output are exported; to=FILE.onnx exports any")
    if masks := [name for name in read_fields(model) if model.about.fields[name].kind == "mask"]:
        raise ConfigError(f"torch: sequences with a mask ('{masks[0]}') are not exported; to=FILE.onnx exports any")
    try:
        layers = dict(_layers(model))
        return _written(model, layers, title, weights)
    except NoModuleError as error:
        raise ConfigError(f"torch: {error}; to=FILE.onnx exports any layer") from error


def _layers(model: Model) -> Iterator[tuple[str, TorchLayer]]:
    shapes = model.network.shapes
    for name, node in model.network.nodes.items():
        given = [shapes[source] for source in node.sources]
        in_shape = given[0] if isinstance(node.source, str) else tuple(given)
        try:
            yield name, torch_layer(node.layer, model.weights.get(node.share or name, {}), in_shape)
        except NoModuleError as error:
            raise NoModuleError(f"model.layers.{name}: {error}") from error


def _written(model: Model, layers: dict[str, TorchLayer], title: str, weights: str) -> TorchModel:
    network, head = model.network, model.head
    names = {name: _identifier(name) for name in (*model.about.fields, *network.nodes)}
    state = dict[str, np.ndarray]()
    modules, lines = list[str](), list[str]()
    for name, node in network.nodes.items():
        layer, owner = layers[name], names[node.share or name]
        if layer.module and node.share is None:
            modules.append(f"self.{owner} = {layer.module}")
            state |= {f"{owner}.{t}": np.ascontiguousarray(a, np.float32) for t, a in layer.state.items()}
        inputs = {f"x{i}": names[source] for i, source in enumerate(node.sources)}
        more = {"self": f"self.{owner}", "units": network.shapes[name][-1] if network.shapes[name] else 1}
        lines.append(f"{names[name]} = {layer.call.format(x=inputs['x0'], **more, **inputs)}")
    given = [names[name] for name in read_fields(model)]
    for name in read_fields(model):
        if name in model.scale.shift:
            lines.insert(0, f"{names[name]} = ({names[name]} - self.{names[name]}_shift) / self.{names[name]}_width")
            for part, found in (("shift", model.scale.shift), ("width", model.scale.width)):
                modules.append(f"self.register_buffer('{names[name]}_{part}', torch.zeros({found[name].shape}))")
                state[f"{names[name]}_{part}"] = found[name].astype(np.float32)
    loss, target = name_of(head.loss, "loss"), str(head.target)
    if loss not in PREDICTIONS or vars(head.loss).get("low"):
        raise NoModuleError(f"the prediction of the loss '{loss}' has no counterpart here")
    prediction = [f"return {PREDICTIONS[loss].format(y='y')}"]
    if target in model.scale.shift:
        width, shift = (json.dumps(np.ravel(found[target]).tolist()) for found in (model.scale.width, model.scale.shift))
        prediction = [f"return y * torch.tensor({width}) + torch.tensor({shift})"]
    classes = model.about.fields[target].names if target in model.about.fields else ()
    about = f"Probabilities of {', '.join(map(str, classes))}." if classes else f"Predictions of '{target}'."
    source = SOURCE.format(
        title=title,
        weights=weights,
        given=", ".join(given),
        version=__version__,
        about=about.replace('"', "'"),
        modules=_indented(modules),
        lines=_indented(lines),
        result=names[str(head.source)],
        prediction=_indented(prediction, 12),
    )
    return TorchModel(source, state)


def _identifier(name: str) -> str:
    """A name that Python allows."""
    found = re.sub(r"\W", "_", name)
    return (
        f"{found}_"
        if keyword.iskeyword(found) or not found.isidentifier() or found in ("self", "torch", "nn", "F")
        else found
    )


def _indented(lines: list[str], by: int = 8) -> str:
    return "\n".join(" " * by + line for line in lines) or " " * by + "pass"
