"""A trained network as an ONNX model: raw features in, predictions out.

The network's own array code is recorded, with arrays that write down what is done with them. So a component of a plugin is
exported as well as a shipped one, and scaling is part of the model. It is recorded twice, with other numbers of examples
and of steps: a size that differs between the two depends on them.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework.core.context import Context
from framework.core.errors import ConfigError
from framework.core.version import __version__
from framework.inference.export.dims import Dims, ExportError
from framework.inference.export.graph import INTS, NUMBER, UNSUPPORTED, Graph, GraphNode, needed
from framework.inference.export.module import RecordingModule
from framework.inference.export.recorded import RecordedArray, Storage, graphs, lift
from framework.inference.model import Model

OPSET, FORMAT = 18, 9  # versions that older programs read, too
SAMPLES = ({"N": 5, "T": 7}, {"N": 11, "T": 17})  # sizes of the two recordings; of primes a product shows its factors
FLOAT = np.dtype(np.float32)


@dataclass(frozen=True)
class OnnxModel:
    """An exported network.

    Attributes:
        content: the bytes of the file.
        inputs: field -> its shape; a letter stands for a size that may differ.
        outputs: the same for predictions; `prediction`, or the names of the heads.
    """

    content: bytes
    inputs: Mapping[str, tuple[Any, ...]]
    outputs: Mapping[str, tuple[Any, ...]]


def to_onnx(model: Model) -> OnnxModel:
    """A network in ONNX's format, in float32: every field that the network reads is an input, as `Model.predict` takes it,
    and the prediction of every head is an output.

    Raises:
        ConfigError: a part of the network has no counterpart in ONNX, or the library `onnx` is not installed.
    """
    try:
        onnx = importlib.import_module("onnx")
    except ImportError as error:
        raise ConfigError("onnx: the library is not installed; pip install 'stackprop[onnx]'") from error
    if model.about.stateful:
        raise ConfigError("onnx: sequences that continue one another carry a state, which an ONNX model does not keep")
    steps = any("T" in model.about.fields[name].axes for name in read_fields(model))
    reasons = []
    for free in (("N", "T"), ("N",)) if steps else (("N",),):
        try:
            return _exported(onnx, model, free)
        except (ExportError, TypeError, AttributeError, ValueError) as error:
            reasons.append(str(error))
    raise ConfigError(f"onnx: this network cannot be exported: {reasons[-1]}")


def read_fields(model: Model) -> list[str]:
    """The fields that the network reads: those of its nodes, and masks."""
    read = {source for node in model.network.nodes.values() for source in node.sources}
    return [n for n, f in model.about.fields.items() if n in read or (f.kind == "mask" and n not in model.targets)]


def _exported(onnx: Any, model: Model, free: Sequence[str]) -> OnnxModel:
    sizes = [{axis: each[axis] for axis in free} for each in SAMPLES]
    first, second = (_recorded(model, each) for each in sizes)
    writer = Writer(onnx, first, second, sizes)
    content = writer.model(_about(model))
    shapes = [
        {name: writer.shape(a, b) for (name, _, a), (_, _, b) in zip(one, other, strict=True)}
        for one, other in ((first.inputs, second.inputs), (first.outputs, second.outputs))
    ]
    return OnnxModel(content, *shapes)


def _about(model: Model) -> dict[str, str]:
    """What a reader of the file may want to know: the names of classes and features."""
    names = {name: list(f.names or f.features) for name, f in model.about.fields.items() if f.names or f.features}
    return {"names": json.dumps(names)} if names else {}


def _recorded(model: Model, sizes: Mapping[str, int]) -> Graph:
    """The graph of the network for data of these sizes."""
    graph, batch = Graph(), {}
    graphs.append(graph)
    try:
        for name in read_fields(model):
            field = model.about.fields[name]
            given = (0, *model.about.splits["train"][name].shape[1:])
            shape = tuple(sizes.get(letter, n) for letter, n in zip(field.axes, given, strict=True))
            dtype = np.dtype(np.int64) if field.kind in ("id", "label") else FLOAT
            graph.inputs.append((name, dtype, shape))
            a = _scaled(model, name, RecordedArray(Storage(name), (), shape, dtype))
            batch[name] = a.swapaxes(0, 1) if field.time_major else a
        weights = {
            node: {t: lift(np.asarray(a, FLOAT), name=f"{node}/{t}") for t, a in tensors.items()}
            for node, tensors in model.weights.items()
        }
        ctx = Context(xp=RecordingModule(), train=False, batch=batch)
        values, _ = model.network.forward(weights, ctx)
        for name, head in model.heads.items():
            y = head.prediction(values, ctx)
            if not isinstance(y, RecordedArray):
                raise ExportError(f"the head '{name}' has no single prediction")
            y = _own_unit(model, str(head.target), y)
            target = model.about.fields.get(str(head.target))
            y = y.swapaxes(0, 1) if target is not None and target.time_major else y
            out = name if len(model.heads) > 1 else "prediction"
            graph.nodes.append(GraphNode("Identity", [y.astype(FLOAT).name], [out]))
            graph.outputs.append((out, FLOAT, y.shape))
    finally:
        graphs.pop()
    graph.nodes = needed(graph, [name for name, *_ in graph.outputs])
    return graph


def _scaled(model: Model, name: str, x: RecordedArray) -> RecordedArray:
    """(x - shift) / width in double precision, as `Scale.apply`."""
    if name not in model.scale.shift:
        return x
    wide: Any = x.astype(np.float64)
    scaled: RecordedArray = (wide - model.scale.shift[name]) / model.scale.width[name]
    return scaled.astype(FLOAT)


def _own_unit(model: Model, name: str, y: RecordedArray) -> RecordedArray:
    """y width + shift, as `Scale.undo`."""
    if name not in model.scale.shift:
        return y
    wide: Any = y.astype(np.float64)
    found: RecordedArray = wide * model.scale.width[name] + model.scale.shift[name]
    return found


class Writer:
    """Writes a graph that was recorded for two sizes of data.

    Args:
        onnx: the library.
        first, second: the two recordings.
        sizes: axis -> its size, of either.
    """

    def __init__(self, onnx: Any, first: Graph, second: Graph, sizes: Sequence[Mapping[str, int]]) -> None:
        self.onnx, self.helper, self.graph, self.other = onnx, onnx.helper, first, second
        self.others = {one.outputs[0]: other for one, other in _paired(first, second)}
        self.dims = Dims(onnx.helper, sizes)
        for (name, _, a), (_, _, b) in zip(first.inputs, second.inputs, strict=True):
            self.dims.add_input(name, a, b)
        self.initializers: dict[str, Any] = {}

    def shape(self, one: Sequence[int], other: Sequence[int]) -> tuple[Any, ...]:
        """A shape with letters for the sizes that differ."""
        return tuple(self.dims.letter(a, b) for a, b in zip(one, other, strict=True))

    def model(self, about: Mapping[str, str]) -> bytes:
        """The file."""
        made = self._graph(self.graph, self.other, "network")
        nodes = [*self.dims.nodes, *made.node]
        del made.node[:]
        made.node.extend(nodes)
        made.initializer.extend(self.initializers.values())
        opset = [self.helper.make_opsetid("", OPSET)]
        model = self.helper.make_model(made, opset_imports=opset, producer_name="stackprop", producer_version=__version__)
        model.ir_version = FORMAT
        self.helper.set_model_props(model, dict(about))
        self.onnx.checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString()
        return content

    def _graph(self, graph: Graph, other: Graph, name: str) -> Any:
        nodes = [self._node(node) for node in needed(graph, [out for out, *_ in graph.outputs])]
        ends = [
            [
                self.helper.make_tensor_value_info(n, self._type(dtype), self.shape(a, b))
                for (n, dtype, a), (_, _, b) in zip(one, two, strict=True)
            ]
            for one, two in ((graph.inputs, other.inputs), (graph.outputs, other.outputs))
        ]
        return self.helper.make_graph([node for node in nodes if node is not None], name, *ends)

    def _type(self, dtype: Any) -> int:
        found: int = self.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return found

    def _node(self, node: GraphNode) -> Any:
        (name, *_), other = node.outputs, self.others.get(node.outputs[0], node)
        if node.op == UNSUPPORTED:
            raise ExportError(str(node.attributes["why"]))
        if node.op == "Constant":
            a, b = node.attributes["value"], other.attributes["value"]
            if a.shape != b.shape or not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
                raise ExportError("a constant array depends on the number of examples or steps")
            return self._constant(name, a)
        if node.op == INTS:
            columns = [
                self.dims.vector(a, b) for a, b in zip(node.attributes["values"], other.attributes["values"], strict=True)
            ]
            if all(isinstance(column, int) for column in columns):
                return self._constant(name, np.array(columns, np.int64))
            return self.helper.make_node("Concat", [self._named(column) for column in columns], [name], axis=0)
        if node.op == NUMBER:
            a, b = node.attributes["value"], other.attributes["value"]
            if a == b or (a != a and b != b):
                return self._constant(name, np.asarray(a, node.attributes["dtype"]))
            return self.dims.number(name, a, b, self._type(node.attributes["dtype"]))
        attributes = dict(node.attributes)
        if node.op == "Cast":
            attributes["to"] = self._type(attributes["to"])
        if isinstance(body := attributes.get("body"), Graph):
            attributes["body"] = self._graph(body, other.attributes["body"], name)
        return self.helper.make_node(node.op, node.inputs, node.outputs, **attributes)

    def _constant(self, name: str, a: np.ndarray) -> None:
        self.initializers[name] = self.onnx.numpy_helper.from_array(a, name)

    def _named(self, column: Any) -> str:
        if not isinstance(column, int):
            return str(column)
        self._constant(name := f"size{column}", np.array([column], np.int64))
        return name


def _paired(first: Graph, second: Graph) -> Iterator[tuple[GraphNode, GraphNode]]:
    """The nodes of two recordings, each with its counterpart.

    Raises:
        ExportError: the code does something else for other sizes.
    """
    one, other = (needed(graph, [name for name, *_ in graph.outputs]) for graph in (first, second))
    if [(n.op, n.inputs, n.outputs) for n in one] != [(n.op, n.inputs, n.outputs) for n in other]:
        raise ExportError("its code does something else for another number of examples or steps")
    for a, b in zip(one, other, strict=True):
        yield a, b
        if isinstance(body := a.attributes.get("body"), Graph):
            yield from _paired(body, b.attributes["body"])
