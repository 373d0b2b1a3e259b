"""What comes in through the doors of training, evaluation and prediction is what it seems, or is refused."""

import re
import types
from dataclasses import dataclass, replace

import numpy as np
import pytest
from configs import assembled, judged
from networks import Record, learner, mlp, points

from framework import Context, Data, DataError, Field, Head, Network, generator
from framework.config.options import EarlyStopping
from framework.core.errors import ConfigError
from framework.core.validation import Validator
from framework.data.scaling import Scale
from framework.data.validation import checked
from framework.experiments.datasets import load_data
from framework.inference.evaluation import HeadMetric
from framework.inference.model import Model
from framework.registry.registry import Registry
from framework.training.check import check_layers, checked_data
from framework.training.trainer import train
from framework_cells.lstm import Lstm
from framework_datasets.sine_series import SineSeries
from framework_layers.batch_norm import BatchNorm
from framework_layers.conv2d import Conv2d
from framework_layers.dense import Dense
from framework_layers.dropout import Dropout
from framework_layers.embedding import Embedding
from framework_layers.flatten import Flatten
from framework_layers.global_pool import GlobalPool
from framework_layers.layer_norm import LayerNorm
from framework_layers.recurrent import Recurrent
from framework_losses.binary_cross_entropy import BinaryCrossEntropy
from framework_losses.mse import MeanSquaredError
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy
from framework_metrics.accuracy import Accuracy
from framework_optimizers.sgd import Sgd

RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 3))
CLASSES = {"x": Field("NF"), "y": Field("N", "label", 3)}


def classes(y, **more):
    return Data({"train": {"x": X, "y": np.array(y)}, **more}, CLASSES, name="mine")


def classifier():
    return learner(mlp(4, 3), loss=SoftmaxCrossEntropy(), epochs=1)


# --- labels, ids and numbers


@pytest.mark.parametrize(
    ("labels", "row", "value"),
    [
        ([1, 2, 3, 1, 2, 3], 2, "3"),
        ([0, -1, 2, 0, 1, 2], 1, "-1"),
        ([0, 1, 2, 0, 7, 2], 4, "7"),
        ([0, 1, 0.7, 0, 1, 2], 2, "0.7"),
        ([0, 1, 2, np.nan, 1, 2], 3, "nan"),
        ([2**40, 1, 2, 0, 1, 2], 0, "1099511627776"),
    ],
)
def test_a_label_that_is_not_a_class_is_refused(labels, row, value):
    message = f"data set 'mine', split 'train': 'y' holds the label {value} in row {row} .*from 0 to 2"
    with pytest.raises(DataError, match=message):
        train([classifier()], [classes(labels)], [0])
    with pytest.raises(DataError, match=f"split 'val': 'y' holds the label {value} in row {row}"):
        checked(classes([0, 1, 2, 0, 1, 2], val={"x": X, "y": np.array(labels)}))


def test_whole_labels_of_another_type_train_as_the_same_classes():
    weights = []
    for dtype in (np.int64, np.uint8, np.float64):
        (outcome,) = train([classifier()], [classes(np.array([0, 1, 2, 0, 1, 2], dtype))], [0])
        weights.append(outcome.weights["out"]["W"])
    assert (weights[0] == weights[1]).all()
    assert (weights[0] == weights[2]).all()


def test_an_id_outside_its_vocabulary_does_not_train():
    fields = {"x": Field("NT", "id", 4), "y": Field("NTF")}
    data = Data({"train": {"x": np.array([[0, 1], [3, 4]]), "y": np.zeros((2, 2, 2))}}, fields)
    network = Network({"in": Embedding(2, 4), "out": Dense(2)}, data.shapes())
    with pytest.raises(DataError, match=r"'x' holds the id 4 in row 1, step 1 \(counted from 0\); with 4 symbols"):
        train([learner(network)], [data], [0])


@pytest.mark.parametrize(
    ("field", "a", "message"),
    [
        (Field("NF"), [[1.0], [np.nan]], "'a' holds nan in row 1"),
        (Field("NF"), [[1.0], [np.inf]], "'a' holds inf in row 1"),
        (Field("N", "mask"), [1.0, -0.5], "'a' holds -0.5 in row 1 .*weights, 0 or more"),
        (Field("NF", "label"), [[0, 1], [0.3, 1]], "'a' holds the label 0.3 in row 1 .*0 or 1"),
        (Field("NF"), [1.0, 2.0], r"'a' has shape \(2,\), but its axes are NF"),
        (Field("NF"), [["1"], ["2"]], "'a' has type <U1; a field of kind real must hold numbers"),
        (Field("N", "label"), [0, 1], "its Field needs the number of values"),
        (Field("NTF"), np.zeros((2, 0, 1)), r"'a' is empty \(shape \(2, 0, 1\)"),
        (Field("NF"), np.zeros((0, 3)), r"'a' is empty \(shape \(0, 3\)"),
    ],
)
def test_a_field_holds_what_its_kind_allows(field, a, message):
    with pytest.raises(DataError, match=message):
        checked(Data({"train": {"a": np.array(a)}}, {"a": field}))


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"val": {"x": X, "y": np.zeros(6, int)}}, "the split 'train' is missing"),
        ({"train": {"x": X}}, "split 'train': the field 'y' is missing"),
        ({"train": {"x": X, "y": np.zeros(5, int)}}, "the fields differ in their number of examples .x has 6, y has 5"),
        ({"train": {"x": X, "y": np.zeros(6, int), "z": X}}, "unknown field 'z'"),
        ({"train": {"x": X, "y": np.zeros(6, int)}, "vale": {}}, "unknown split 'vale'; did you mean 'val'"),
        (
            {split: {"x": X[:, :n], "y": np.zeros(6, int)} for split, n in (("train", 3), ("test", 2))},
            r"split 'test': 'x' has shape \(6, 2\); the training split has \(6, 3\)",
        ),
    ],
)
def test_splits_have_the_fields_and_shapes_that_are_declared(splits, message):
    with pytest.raises(DataError, match=message):
        checked(Data(splits, CLASSES))


def test_data_are_checked_once_and_not_copied():
    data = classes([0, 1, 2, 0, 1, 2])
    assert checked(data) is data
    data.splits["train"]["y"][0] = 9  # not read again
    assert checked(data) is data
    with pytest.raises(DataError, match="the label 9"):
        checked(replace(data, name="another"))


def test_a_data_set_of_another_party_is_checked_as_it_is_loaded():
    @dataclass(frozen=True)
    class Ratings:
        def load(self, rng):
            return Data(
                {"train": {"x": X, "y": np.array([1, 2, 3, 4, 5, 1])}}, {"x": Field("NF"), "y": Field("N", "label", 5)}
            )

    with pytest.raises(DataError, match="split 'train': 'y' holds the label 5 in row 4"):
        load_data(replace(judged("{}"), dataset=Ratings()))


def test_a_data_set_that_does_not_return_data_is_named():
    @dataclass(frozen=True)
    class Plain:
        def load(self, rng):
            return {"x": X}

    with pytest.raises(ConfigError, match=r"dataset: Plain.load returned dict; it must return framework.Data"):
        load_data(replace(judged("{}"), dataset=Plain()))


# --- prediction


def image_model(*layers):
    images = RNG.standard_normal((4, 2, 3, 3))
    nodes = {"conv": Conv2d(2, 2), **{f"l{i}": layer for i, layer in enumerate(layers)}, "out": Dense(3)}
    about = Data({"train": {"x": images, "y": np.zeros(4, int)}}, {"x": Field("NCHW"), "y": Field("N", "label", 3)})
    network = Network(nodes, about.shapes())
    member = learner(network, loss=SoftmaxCrossEntropy())
    return Model.of(member, network.init(0)[0], about, Scale("none", {}, {})), images


def test_images_of_another_shape_are_refused_where_they_do_not_fit():
    model, images = image_model(Flatten())
    assert model.predict(images).shape == (4, 3)
    for other in (images[:, :1], images[:, :, :2], np.concatenate([images, images], 1)):
        with pytest.raises(DataError, match=r"'x' has shape .*; the training split has \(n, 2, 3, 3\)"):
            model.predict(other)
    pooled, images = image_model(GlobalPool())
    assert pooled.predict(images[:, :, :2]).shape == (4, 3)  # a mean over any height and width


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda model, x: model.predict(x, head="los"), "head: unknown head 'los'; did you mean 'loss'"),
        (lambda model, x: model.predict({"y": np.zeros(4, int)}), "the field 'x' is missing"),
        (lambda model, x: model.evaluate({"x": x}), "the field 'y' is missing"),
        (lambda model, x: model.evaluate({"x": x, "y": np.array([0, 1, 2, 3])}), "'y' holds the label 3 in row 3"),
        (lambda model, x: model.predict(x[:0]), "'x' is empty"),
        (lambda model, x: model.predict(np.where(x == x[2, 1, 0, 0], np.nan, x)), "'x' holds nan in row 2"),
    ],
)
def test_what_a_model_cannot_read_is_refused(ask, message):
    model, images = image_model(Flatten())
    with pytest.raises((ConfigError, DataError), match=message):
        ask(model, images)


# --- padding


def padded(fill):
    """Sequences of 4 steps, of which the last one or two are padding that holds `fill`."""
    rng = np.random.default_rng(1)
    x, y, mask = rng.standard_normal((5, 4, 2)), rng.standard_normal((5, 4, 1)), np.ones((5, 4))
    mask[:, 3] = mask[:2, 2] = 0
    x[mask == 0] = y[mask == 0] = fill
    fields = {"x": Field("NTF"), "y": Field("NTF"), "mask": Field("NT", "mask")}
    arrays = {"x": x, "y": y, "mask": mask}
    return Data({"train": arrays, "val": arrays}, fields)


def test_nan_in_masked_padding_reaches_nothing():
    outcomes = []
    for fill in (0.0, np.nan):
        data = padded(fill)
        network = Network({"rnn": Recurrent(Lstm(3)), "norm": BatchNorm(), "out": Dense(1)}, data.shapes())
        outcomes.append(train([learner(network, epochs=3)], [data], [0], dtype=np.float64)[0])
    assert outcomes[0].status == outcomes[1].status == "finished"
    assert outcomes[0].metrics == outcomes[1].metrics
    for node, tensors in outcomes[0].weights.items():
        assert all((a == outcomes[1].weights[node][t]).all() for t, a in tensors.items())


def test_nan_in_masked_padding_does_not_reach_a_prediction():
    data, clean = padded(np.nan), padded(0.0)
    network = Network({"rnn": Recurrent(Lstm(3)), "out": Dense(1)}, data.shapes())
    model = Model.of(learner(network), network.init(0)[0], clean, Scale("none", {}, {}))
    assert (model.predict(data.splits["train"]) == model.predict(clean.splits["train"])).all()
    assert model.evaluate(data.splits["train"]) == model.evaluate(clean.splits["train"])


def test_a_sequence_without_a_step_that_counts_is_refused():
    fields = {"x": Field("NTF"), "mask": Field("NT", "mask")}
    mask = np.array([[1.0, 0], [0, 0], [1, 1]])
    with pytest.raises(DataError, match=r"split 'train': 'mask' is 0 at every step of row 1 \(counted from 0\)"):
        checked(Data({"train": {"x": np.ones((3, 2, 1)), "mask": mask}}, fields))


def test_labels_of_minus_one_may_stand_in_padding():
    fields = {"x": Field("NT", "id", 3), "y": Field("NT", "label", 3), "mask": Field("NT", "mask")}
    ids = np.array([[0, 1, -1], [2, -1, -1]])
    data = Data({"train": {"x": ids, "y": ids, "mask": (ids >= 0).astype(float)}}, fields)
    found = checked(data).splits["train"]
    assert found["y"].tolist() == found["x"].tolist() == [[0, 1, 0], [2, 0, 0]]
    assert ids[0, 2] == -1  # the user's array stays as it is


# --- options


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Network({"drop": Dropout(1.5)}, {"x": (3,)}), "model.layers.drop.keep: 1.5 must be at most 1"),
        (lambda: Network({"drop": Dropout(np.float32(0))}, {"x": (3,)}), "model.layers.drop.keep: 0.0 must be above 0"),
        (lambda: Network({"out": Dense(0)}, {"x": (3,)}), "model.layers.out.units: 0 must be at least 1"),
        (lambda: Network({"out": Dense(2.5)}, {"x": (3,)}), "model.layers.out.units: 2.5 is not an integer"),
        (lambda: trained(optimizer=Sgd(-1)), "optimizer.lr: -1 must be above 0"),
        (lambda: trained(optimizer=Sgd(np.inf)), "optimizer.lr: inf is not a finite number"),
        (lambda: trained(optimizer=Sgd(np.nan)), "optimizer.lr: nan is not a finite number"),
        (lambda: trained(loss=MeanSquaredError("men")), "heads.loss.reduction: 'men' is not allowed; did you mean 'mean'"),
        (lambda: trained(epochs=0), "trainer.epochs: 0 must be at least 1"),
        (lambda: trained(early_stopping=EarlyStopping(patience=-1)), "trainer.early_stopping.patience: -1 must be at least"),
        (lambda: weighed(np.nan), "heads.loss.weight: nan is not a finite number"),
        (
            lambda: Network({"out": Dense(2, initializer="xavier")}, {"x": (3,)}),
            "model.layers.out.initializer: str has no method",
        ),
        (lambda: trained(tier="fast"), "tier: 'fast' is not allowed"),
    ],
)
def test_bounds_hold_for_what_is_built_in_python(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def trained(tier="auto", **options):
    return train([learner(mlp(2), **options)], [points(X, X[:, :2])], [0], tier=tier)


def weighed(weight):
    member = replace(learner(mlp(2)), heads={"loss": Head(MeanSquaredError(), "out", weight=weight)})
    return train([member], [points(X, X[:, :2])], [0])


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_numbers_of_a_configuration_are_finite(value):
    with pytest.raises(ConfigError, match=rf"optimizer.lr: {value} is not a finite number"):
        judged(f"{{optimizer: {{type: sgd, lr: .{value}}}}}".replace(".-", "-."))


def test_a_component_without_a_method_of_its_kind_is_named():
    @dataclass(frozen=True)
    class Half:
        def init(self, rng, in_shape):
            return {}, in_shape

        def forward(self, p, x, ctx):
            return x, None

    with pytest.raises(ConfigError, match=r"model.layers.half: Half has no method 'backward', which every layer"):
        Network({"half": Half()}, {"x": (3,)})
    with pytest.raises(ConfigError, match="optimizer: Half has no method 'update'"):
        trained(optimizer=Half())


def test_a_plugin_without_a_method_of_its_kind_is_named():
    @dataclass(frozen=True)
    class Half:
        def forward(self, x, ctx):
            return x, None

    registry = Registry()
    registry.add("activation", "half", Half, "somebody")
    judge = Validator(registry, {})
    judge.component("activation", "half", "activation")
    assert list(judge.errors) == ["activation.type: Half has no method 'backward', which every activation needs"]


# --- what does not go together


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            "{metrics: accuracy}",
            "metrics.accuracy: Accuracy needs targets of kind label or binary .* 'y' is real",
        ),
        ("{metrics: exact_match}", "metrics.exact_match: ExactMatch needs targets of kind label, but 'y' is real"),
        (
            "{dataset: wine, metrics: [{type: loss}]}",
            "metrics.loss.loss: MeanSquaredError needs .* 'y' is label; losses for it: crf, cross_entropy, focal, softmax",
        ),
        (
            "{dataset: xor, metrics: [{type: loss}]}",
            "metrics.loss: LossMetric needs 1 outputs for the target 'y', but 'out' has 2",
        ),
        ("{heads: {loss: {mask: maks}}}", "heads.loss.mask: unknown mask 'maks'"),
        ("{heads: {loss: {mask: x}}}", "heads.loss.mask: the field 'x' is of kind real, not a mask"),
        ("{heads: {loss: {target: yy}}}", "heads.loss.target: unknown field 'yy'"),
    ],
)
def test_what_the_target_does_not_allow_is_refused_before_training(changes, message):
    with pytest.raises(ConfigError, match=message):
        assembled(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"measures": {"right": HeadMetric(Accuracy(), "loss")}}, "metrics.right: Accuracy needs targets of kind label"),
        ({"measures": {"right": HeadMetric(Accuracy(), "los")}}, "metrics.right.head: unknown head 'los'"),
        ({"heads": {"loss": Head(SoftmaxCrossEntropy(), "out")}}, "heads.loss: SoftmaxCrossEntropy needs targets of kind"),
        ({"heads": {"loss": Head(MeanSquaredError(), "out", mask="maks")}}, "heads.loss.mask: unknown mask 'maks'"),
        ({"heads": {"loss": Head(MeanSquaredError(), "out", target="z")}}, "heads.loss.target: unknown field 'z'"),
        ({"heads": {"loss": Head(MeanSquaredError(), "ou")}}, "heads.loss.from: unknown layer 'ou'; did you mean 'out'"),
        ({"network": mlp(2, features=4)}, r"network: input 'x' has shape \(4,\), but the data have \(3,\)"),
    ],
)
def test_a_learner_built_in_python_fits_its_data(change, message):
    with pytest.raises(ConfigError, match=message):
        train([replace(learner(mlp(2)), **change)], [points(X, X[:, :2])], [0])


def test_data_sets_of_one_stack_are_alike():
    with pytest.raises(DataError, match="data set 1 and data set 0 differ in fields, splits or shapes"):
        train([learner(mlp(2))] * 2, [points(X, X[:, :2]), points(X[:5], X[:5, :2])], [0, 1])


def test_a_metric_of_another_party_declares_the_kinds_it_takes():
    @dataclass(frozen=True)
    class Hits:
        targets = ("label",)

        def count(self, y, t, ctx, mask=None):
            return y

        def value(self, counts):
            return counts

    member = replace(learner(mlp(2)), measures={"hits": HeadMetric(Hits(), "loss")})
    with pytest.raises(ConfigError, match=r"metrics.hits: Hits needs targets of kind label, but 'y' is real"):
        checked_data([member], [points(X, X[:, :2])], "auto")


# --- reading the answer


@pytest.mark.parametrize("dataset", ["sine_series", "weather", "hello"])
def test_a_network_that_reads_the_answer_is_refused(dataset):
    with pytest.raises(ConfigError, match=r"model.layers.back: it reads sequences in reverse.* would read the answer"):
        assembled_from(f"dataset={dataset}", "model=birnn")
    assert assembled_from(f"dataset={dataset}", "model=rnn").heads


def assembled_from(*overrides):
    from framework.config.composition import compose
    from framework.experiments.builder import assemble

    settings = compose([*overrides])
    return assemble(settings, load_data(settings))


def test_backwards_in_python_is_refused_and_an_encoder_allowed():
    data = SineSeries().load(generator(0, "dataset"))
    nodes = {"back": Recurrent(Lstm(2), reverse=True), "out": Dense(1)}
    with pytest.raises(ConfigError, match=r"model.layers.back: it reads sequences in reverse"):
        train([learner(Network(nodes, data.shapes()))], [data], [0])
    assert assembled_from("dataset=reverse", "model=seq2seq").heads  # it reads all of x, and d forwards


# --- statistics over a batch


@pytest.mark.parametrize(("n", "size", "message"), [(6, 1, "a single example"), (5, 4, "use trainer.batch_size=3")])
def test_batch_norm_of_a_single_example_is_refused(n, size, message):
    network = Network({"norm": BatchNorm(), "out": Dense(2)}, {"x": (3,)})
    with pytest.raises(ConfigError, match=f"model.layers.norm: it needs mean and variance of each batch.*{message}"):
        train([learner(network, batch_size=size)], [points(X[:n], X[:n, :2])], [0])


def test_a_network_with_batch_norm_is_put_together_without_examples():
    member = learner(Network({"norm": BatchNorm(), "out": Dense(2)}, {"x": (3,)}), steps=5)
    about = points(X[:0], X[:0, :2])
    assert check_layers(member, about) is None
    with pytest.raises(ConfigError, match="there is only one"):
        check_layers(member, points(X[:1], X[:1, :2]))


def test_layer_norm_of_a_single_feature_is_refused():
    with pytest.raises(ValueError, match=r"model.layers.norm: layer_norm needs two features or more"):
        Network({"narrow": Dense(1), "norm": LayerNorm()}, {"x": (3,)}).init(0)


def test_batch_norm_of_a_single_image_or_sequence_is_fine():
    images = RNG.standard_normal((3, 2, 2, 2))
    fields = {"x": Field("NCHW"), "y": Field("NCHW")}
    data = Data({"train": {"x": images, "y": images}}, fields)
    assert checked_data([learner(Network({"out": BatchNorm()}, data.shapes()), batch_size=1)], [data], "auto") == [data]
    series = padded(0.0)
    network = Network({"norm": BatchNorm(), "out": Dense(1)}, series.shapes())
    assert train([learner(network, batch_size=1, epochs=1)], [series], [0])[0].status == "finished"


# --- numbers


def test_a_gradient_whose_square_overflows_is_not_a_divergence():
    data = points(X * 1e3, X[:, :1] * 1e17)
    records = []
    for dtype in (np.float32, np.float64):
        record = Record()
        member = learner(mlp(1), Sgd(1e-9), epochs=2, batch_size="all", clip_norm=1.0)
        (outcome,) = train([member], [data], [0], dtype=dtype, callbacks=[record])
        assert outcome.status == "finished"
        records.append(record.column(0, "grad_norm/total"))
    assert records[1].min() > 2e19  # its square is beyond float32, its loss is not
    np.testing.assert_allclose(records[0], records[1], rtol=1e-5)


def another_array_module():
    """Not NumPy itself, as CuPy is not: whatever is looked at would have to come off the device first."""
    module = types.ModuleType("device")
    module.__dict__.update(vars(np))
    return module


def test_norms_are_right_where_squares_overflow():
    arena = mlp(4, 2).arena(mlp(4, 2).init(0)[0])
    g = RNG.standard_normal((3, arena.P))
    g[1] *= 1e25
    g[2] = 0
    exact = arena.norms(g, np)
    with np.errstate(all="ignore"):
        for xp in (np, another_array_module()):
            np.testing.assert_allclose(arena.norms(g.astype(np.float32), xp), exact, rtol=1e-5)
            assert arena.norms(g.astype(np.float32), xp).dtype == np.float32
        g[0, 0], g[1, 0] = np.nan, np.inf
        broken = arena.norms(g.astype(np.float32), np)
    assert np.isnan(broken[0, 0])
    assert not np.isfinite(broken[1, 0])
    assert (broken[2] == 0).all()


def test_the_message_of_a_divergence_says_when_features_are_large():
    (outcome,) = train([learner(mlp(2), Sgd(10.0), epochs=50)], [points(X * 1e4, X[:, :2])], [0])
    assert outcome.status == "diverged"
    assert "'x' has values up to" in outcome.reason
    assert "scale your data, dataset.scale=standard" in outcome.reason
    (outcome,) = train([learner(mlp(2), Sgd(1.0))], [points(X, X[:, :2] * 1e30)], [0])
    assert re.search(
        r"'y' has values up to .*e\+30: scale your data, dataset.scale=standard dataset.scale_t\w+=true\)$", outcome.reason
    )
    (outcome,) = train([learner(mlp(2), Sgd(10.0), epochs=50)], [points(X, X[:, :2])], [0])
    assert outcome.status == "diverged"
    assert "scale" not in outcome.reason


def test_softmax_cross_entropy_refuses_targets_of_other_axes():
    with pytest.raises(ValueError, match="must have the same axes"):
        SoftmaxCrossEntropy()(np.zeros((4, 3)), np.zeros((4, 2)), Context())
    with pytest.raises(ValueError, match="must have the same axes"):
        SoftmaxCrossEntropy()(np.zeros((4, 3)), np.zeros(5, int), Context())


def test_an_infinite_output_that_is_right_costs_nothing():
    y, t = np.array([[-np.inf, np.inf, 1.0]]), np.array([[0, 1, 0]])
    with np.errstate(all="ignore"):
        value, dy = BinaryCrossEntropy()(y, t, Context())
    assert value == pytest.approx(np.log1p(np.e) / 3)
    np.testing.assert_allclose(dy, [[0, 0, 1 / (1 + np.exp(-1)) / 3]])


def test_an_output_of_minus_infinity_has_probability_0():
    y = np.array([[0.0, -np.inf, np.log(3)]])
    with np.errstate(all="ignore"):
        value, dy = SoftmaxCrossEntropy()(y, np.array([0]), Context())
        soft, _ = SoftmaxCrossEntropy()(y, np.array([[0.5, 0.0, 0.5]]), Context())
    assert value == pytest.approx(np.log(4))
    np.testing.assert_allclose(dy, [[-0.75, 0, 0.75]])
    assert soft == pytest.approx(0.5 * np.log(4) + 0.5 * np.log(4 / 3))


def test_a_message_tells_labels_from_ids():
    for kind, words in (("label", "3 classes labels"), ("id", "3 symbols ids")):
        with pytest.raises(DataError, match=f"with {words} are integers from 0 to 2"):
            checked(Data({"train": {"x": np.array([0, 3])}}, {"x": Field("N", kind, 3)}))
