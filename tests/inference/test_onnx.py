"""Networks exported to ONNX give what they gave here, for any number of examples and steps."""

from dataclasses import replace

import numpy as np
import presets
import pytest
from untrained import untrained

from framework import Context, discover
from framework.core.errors import ConfigError
from framework.inference.export.graph import Graph
from framework.inference.export.module import RecordingModule
from framework.inference.export.onnx import Writer, read_fields, to_onnx
from framework.inference.export.recorded import RecordedArray, Storage, graphs
from framework.testing.subjects import of_activation, of_layer

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def examples(kind):
    """Every component of a kind that the kit knows, with its input shape."""
    every = []
    for name in discover().names(kind):
        component = discover().get(kind, name)
        found = component.examples() if hasattr(component, "examples") else [(component(), None)]
        every += [pytest.param(each, shape, id=f"{name}{i or ''}") for i, (each, shape) in enumerate(found)]
    return every


def exported(function, inputs):
    """The results of array code, recorded and run by onnxruntime."""
    graph = Graph()
    graphs.append(graph)
    try:
        given = {n: RecordedArray(Storage(n.replace(".", "_")), (), a.shape, a.dtype) for n, a in inputs.items()}
        graph.inputs = [(n.replace(".", "_"), a.dtype, a.shape) for n, a in inputs.items()]
        y = function(given, Context(xp=RecordingModule(), train=False))
        graph.outputs = [(y.copy().name, y.dtype, y.shape)]
    finally:
        graphs.pop()
    content = Writer(onnx, graph, graph, [{}, {}]).model({})
    session = runtime.InferenceSession(content)
    (found,) = session.run(None, {i.name: inputs[n] for i, n in zip(session.get_inputs(), inputs, strict=True)})
    return found


def compared(subject, component):
    inputs = subject.draw(component, np.random.default_rng(0))
    wide = {n: a.astype(np.float32).astype(float) if a.dtype.kind == "f" else a for n, a in inputs.items()}
    want, _ = subject.forward(component, wide, Context(train=False))
    narrow = {n: a.astype(np.float32) if a.dtype.kind == "f" else a for n, a in wide.items()}
    found = exported(lambda given, ctx: subject.forward(component, given, ctx)[0], narrow)
    np.testing.assert_allclose(found, want, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("layer", "shape"), examples("layer"))
def test_a_layer_exported_gives_the_same_numbers(layer, shape):
    compared(of_layer(shape), layer)


@pytest.mark.parametrize(("activation", "shape"), examples("activation"))
def test_an_activation_exported_gives_the_same_numbers(activation, shape):
    compared(of_activation(shape), activation)


def predictions(model, made, fields):
    """(here, in onnxruntime) of every head."""
    session = runtime.InferenceSession(made.content)
    given = {i.name: fields[i.name].astype(np.int64 if "int64" in i.type else np.float32) for i in session.get_inputs()}
    return [(model.predict(fields, head=h), y) for h, y in zip(model.heads, session.run(None, given), strict=True)]


@pytest.mark.parametrize("name", list(presets.MODELS))
def test_every_model_is_exported_with_any_number_of_rows(name):
    model, experiment = untrained(*presets.PRESETS[name])
    made = to_onnx(model)
    assert all(shape[0] == "N" for shape in (*made.inputs.values(), *made.outputs.values()))
    for count in (1, 6):
        rows = {field: experiment.data.splits["val"][field][:count] for field in read_fields(model)}
        for here, there in predictions(model, made, rows):
            np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["lstm", "attention"])
def test_a_sequence_may_have_any_number_of_steps(name):
    model, _ = untrained(*presets.PRESETS[name])
    made = to_onnx(model)
    assert made.inputs == {"x": ("N", "T")}
    for steps in (2, 9):
        for here, there in predictions(model, made, {"x": np.arange(2 * steps).reshape(2, steps) % 4}):
            np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)


def test_features_and_targets_are_scaled_inside_the_file():
    model, experiment = untrained("dataset=diabetes", "dataset.scale_targets=true")
    raw = {"x": model.scale.undo("x", experiment.data.splits["val"]["x"][:5])}
    ((here, there),) = predictions(model, to_onnx(model), raw)
    np.testing.assert_allclose(there, here, rtol=1e-5)
    assert np.abs(here).max() > 20  # in the unit of the target


def test_the_file_names_the_weights_by_node_and_tensor():
    model, _ = untrained("dataset=iris")
    found = onnx.load_from_string(to_onnx(model).content)
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in found.graph.initializer}
    np.testing.assert_array_equal(weights["hidden/W"], model.weights["hidden"]["W"])
    assert found.producer_name == "stackprop"


def test_states_that_go_on_from_batch_to_batch_are_refused():
    model, _ = untrained(*presets.PRESETS["lstm"])
    with pytest.raises(ConfigError, match=r"onnx: .* carry a state"):
        to_onnx(replace(model, about=replace(model.about, stateful=True)))
