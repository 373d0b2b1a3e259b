"""Training in the compiled tier: the numbers of the array tier, for stacks of any width, on any number of threads."""

from dataclasses import dataclass, replace

import networks
import numpy as np
import pytest
from tiers import Noisy, agree, both
from untraceable import Curious

from framework import Field, Head, Learner, Network, TrainerOptions, discover, generator, option, train
from framework.core.errors import ConfigError
from framework.inference.evaluation import HeadMetric
from framework.training.compiled import build, deferred
from framework.training.compiled.traced import c_name
from framework.training.parallel import train_sliced

get = discover().get


@pytest.fixture(scope="module")
def data():
    return get("dataset", "spirals")(n=150).load(generator(0, "dataset"))


def learner(data, optimizer="adam", layers=None, activation="tanh", schedule="cosine", regularizers=(), **options):
    """An MLP on the spirals, with its accuracy."""
    dense = get("layer", "dense")
    nodes = layers or {
        "hidden": dense(8),
        "act": get("layer", "activation")(get("activation", activation)()),
        "out": dense(2),
    }
    network = Network(nodes, data.shapes())
    head = Head(get("loss", "softmax_cross_entropy")(), list(nodes)[-1])
    made = optimizer if not isinstance(optimizer, str) else get("optimizer", optimizer)()
    how = TrainerOptions(**{"epochs": 4, "batch_size": 32, **options})
    measures = {"accuracy": HeadMetric(get("metric", "accuracy")(), "loss")}
    return Learner(network, {"loss": head}, made, get("schedule", schedule)(), how, regularizers, measures)


OPTIMIZERS = ["sgd", "momentum", "nag", "adagrad", "rmsprop", "adadelta", "adam", "adamw"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_trains_as_in_the_array_tier(data, optimizer):
    agree([learner(data, optimizer)], data)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "softplus", "gelu", "linear"])
def test_activations_train_as_in_the_array_tier(data, activation):
    agree([learner(data, activation=activation)], data)


def test_float32_agrees_to_its_own_precision(data):
    agree([learner(data)], data, dtype="float32", tolerance=2e-5)


def test_replicas_differ_in_rate_and_options(data):
    adam = get("optimizer", "adam")
    rates = [adam(lr=lr, beta1=beta) for lr, beta in ((0.001, 0.9), (0.01, 0.8), (0.1, 0.5))]
    agree([learner(data, optimizer) for optimizer in rates], data)


def test_penalties_and_clipping(data):
    l2, norm = get("regularizer", "l2"), get("regularizer", "max_norm")
    members = [learner(data, regularizers=(l2(strength=s), norm()), clip_norm=0.5) for s in (0.0, 0.01)]
    agree(members, data)


def test_layers_with_buffers(data):
    dense, norm = get("layer", "dense"), get("layer", "batch_norm")
    layers = {"hidden": dense(8), "norm": norm(), "act": get("layer", "activation")(), "out": dense(2)}
    agree([learner(data, layers=layers)], data, tolerance=1e-8)


def test_random_draws_are_those_of_the_array_tier(data):
    dense, act, dropout = get("layer", "dense"), get("layer", "activation"), get("layer", "dropout")
    gumbel = get("activation", "gumbel_sigmoid")

    def layers(keep):
        return {"hidden": dense(8), "drop": dropout(keep), "gate": act(gumbel()), "out": dense(2)}

    agree([learner(data, layers=layers(keep)) for keep in (0.5, 0.9)], data)


@dataclass(frozen=True)
class Jitter:
    """Adds noise to every example."""

    std: float = option(0.1, stackable=True)

    axes = ("NF",)

    def __call__(self, x, rng):
        return x + self.std * rng.standard_normal(x.shape)


@pytest.mark.parametrize("how", [{}, {"accumulate": 3, "batch_size": 10}])
def test_augmented_examples_are_those_of_the_array_tier(data, how):
    members = [replace(learner(data, **how), augmentations={"jitter": Jitter(std)}) for std in (0.1, 0.1, 0.5)]
    agree(members, data)
    agree(members[:2], data, keys=[5, 5])


def test_many_augmented_steps_are_given_piece_by_piece(data, monkeypatch):
    monkeypatch.setattr(deferred, "GIVEN", 3000)
    agree([replace(learner(data), augmentations={"jitter": Jitter()})], data)


@pytest.mark.parametrize(("accumulate", "size"), [(2, 32), (3, 20), (1000, 64)])
def test_accumulated_parts_are_those_of_the_array_tier(data, accumulate, size):
    dense, dropout = get("layer", "dense"), get("layer", "dropout")
    layers = {"hidden": dense(8), "drop": dropout(), "out": dense(2)}
    agree([learner(data, layers=layers, accumulate=accumulate, batch_size=size)] * 2, data)


def weighted(data):
    """The data with a mask: weights of the examples."""
    rng = np.random.default_rng(0)
    splits = {
        name: {**fields, "mask": rng.random(len(fields["y"])).astype(np.float32)} for name, fields in data.splits.items()
    }
    return replace(data, splits=splits, fields={**data.fields, "mask": Field("N", "mask")})


@pytest.mark.parametrize("how", [{}, {"accumulate": 2}])
def test_masks_weigh_parts_and_batches_of_an_evaluation(data, how, monkeypatch):
    monkeypatch.setattr(deferred, "EXAMPLES", 7)
    agree([learner(data, **how)], weighted(data))


@dataclass(frozen=True)
class Annealed:
    """An activation that becomes steeper with every step."""

    def forward(self, x, ctx):
        slope = 1 + ctx.step * 0.1
        return ctx.xp.tanh(x * slope), (ctx.xp.tanh(x * slope), slope)

    def backward(self, cache, dy, ctx):
        y, slope = cache
        return dy * (1 - y * y) * slope


def test_a_component_may_read_the_number_of_the_step(data):
    dense, act = get("layer", "dense"), get("layer", "activation")
    agree([learner(data, layers={"hidden": dense(8), "act": act(Annealed()), "out": dense(2)})], data)


def test_probed_steps_run_in_the_array_tier(data):
    dead = get("probe", "update_ratio")()
    agree([replace(learner(data, probe_every=3), probes={"ratio": dead})], data)


def test_equal_steps_are_compiled_once(data, monkeypatch):
    compiled = []
    run = build._run
    monkeypatch.setattr(build, "_run", lambda command: (compiled.append(command), run(command))[1])
    for _ in range(2):
        train([learner(data)], [data], [0], dtype="float32", tier="compiled")
        compiled.append("end")
    assert compiled[compiled.index("end") + 1 :] == ["end"]


def test_early_stopping_and_best_weights(data):
    stop = replace(TrainerOptions().early_stopping, patience=1)
    members = [learner(data, get("optimizer", "adam")(lr=lr), early_stopping=stop, epochs=30) for lr in (0.3, 0.01)]
    agree(members, data, tolerance=1e-7)


def test_a_diverging_replica_leaves_and_the_others_stay(data):
    members = [learner(data, get("optimizer", "sgd")(lr=lr), activation="linear") for lr in (0.1, 1e30, 0.2)]
    (one, _), (other, _) = both(members, data)
    assert [o.status for o in other] == [o.status for o in one] == ["finished", "diverged", "finished"]
    assert other[1].step == one[1].step
    np.testing.assert_allclose(other[2].weights["out"]["W"], one[2].weights["out"]["W"], rtol=1e-9)


@pytest.mark.parametrize("how", [{"shuffle": False}, {"batch_size": "all"}, {"train_metrics": False}, {"validate_every": 3}])
def test_ways_to_cut_an_epoch(data, how):
    agree([learner(data, **how)] * 2, data)


def test_replicas_may_have_data_of_their_own():
    spirals = get("dataset", "spirals")(n=150)
    own = [spirals.load(generator((0, r), "dataset")) for r in range(3)]
    members = [learner(own[0]) for _ in own]
    one, other = (train(members, own, range(3), dtype="float64", tier=tier) for tier in ("array", "compiled"))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(b.weights["out"]["W"], a.weights["out"]["W"], rtol=1e-9)


def test_a_regression_with_a_mean_squared_error():
    data = networks.regression(outputs=2)
    head = Head(get("loss", "mse")(), "out")
    dense, act = get("layer", "dense"), get("layer", "activation")
    nodes = {"hidden": dense(5), "act": act(get("activation", "tanh")()), "out": dense(data.splits["train"]["y"].shape[-1])}
    member = Learner(
        Network(nodes, data.shapes()), {"loss": head}, get("optimizer", "adam")(), get("schedule", "constant")()
    )
    agree([member], data)


def test_a_replica_is_the_same_bits_in_any_stack_on_any_threads(data):
    members = [learner(data, get("optimizer", "adam")(lr=0.01 * (r + 1))) for r in range(5)]
    how = {"dtype": "float32", "tier": "compiled"}
    whole = train(members, [data], range(5), threads=1, **how)
    for found in (train(members, [data], range(5), threads=3, **how), train_sliced(members, [data], range(5), **how)):
        for a, b in zip(whole, found, strict=True):
            assert (a.weights["hidden"]["W"] == b.weights["hidden"]["W"]).all()
    (alone,) = train(members[3:4], [data], [3], **how)
    assert (alone.weights["hidden"]["W"] == whole[3].weights["hidden"]["W"]).all()


def test_metrics_are_the_same_bits_in_any_stack(data, monkeypatch, caplog):
    caplog.set_level("INFO", "stackprop")
    monkeypatch.setattr(deferred, "EXAMPLES", 11)
    members = [learner(data, get("optimizer", "adam")(lr=0.01 * (r + 1))) for r in range(3)]
    how = {"dtype": "float32", "tier": "compiled"}
    whole = train(members, [data], range(3), threads=2, **how)
    for r, member in enumerate(members):
        (alone,) = train([member], [data], [r], **how)
        assert alone.metrics == whole[r].metrics
        assert {"val/loss", "val/accuracy", "test/loss", "test/accuracy"} <= alone.metrics.keys()
    assert not reported(caplog)


def reported(caplog):
    """The lines of the log, beside the one about the time of compiling, which an earlier test may have spent."""
    return [line for line in (r.getMessage() for r in caplog.records) if " was compiled in " not in line]


class Middle(get("metric", "accuracy")):
    """A metric that only values can decide."""

    def count(self, y, t, ctx, mask=None):
        return super().count(y, t, ctx, mask) * (1 if y.sum() > -np.inf else 0)


def test_what_cannot_be_traced_is_measured_in_the_array_tier(data, caplog):
    member = learner(data, train_metrics=False)
    member = replace(member, measures={"middle": HeadMetric(Middle(), "loss")})
    with caplog.at_level("INFO", "stackprop"):
        agree([member] * 2, data)
    assert [line.split(": ")[0] for line in reported(caplog)] == ["losses and metrics are measured in the array tier"]


def test_noise_of_an_evaluation_is_that_of_the_array_tier(data):
    dense, act = get("layer", "dense"), get("layer", "activation")
    layers = {"hidden": dense(4), "act": act(Noisy()), "out": dense(2)}
    agree([learner(data, layers=layers)], data)


def test_names_that_look_alike_are_kept_apart(data):
    accuracy = get("metric", "accuracy")
    measures = {name: HeadMetric(accuracy(threshold=0.5), "loss") for name in ("a.b", "a_b", "a b", "a__b", "é")}
    agree([replace(learner(data), measures=measures)], data)
    assert len({c_name("x", name) for name in measures}) == len(measures)


def test_a_resumed_training_is_the_same_to_the_bit(data):
    kept = {}

    def save(arrays, plain):
        kept[plain["step"]] = ({name: a.copy() for name, a in arrays.items()}, plain)

    members = [learner(data, checkpoint_every=7, epochs=5)] * 2
    how = {"dtype": "float32", "tier": "compiled"}
    whole = train(members, [data], [0, 1], save=save, **how)
    again = train(members, [data], [0, 1], resume=kept[14], **how)
    for a, b in zip(whole, again, strict=True):
        assert all((b.weights[n][t] == w).all() for n, tensors in a.weights.items() for t, w in tensors.items())
        assert a.metrics == b.metrics


@dataclass(frozen=True)
class Hosted(Curious):
    """An activation that calls NumPy by its name."""

    def forward(self, x, ctx):
        return np.tanh(x), x


@dataclass(frozen=True)
class Keyed(Curious):
    """An activation that draws by itself."""

    def forward(self, x, ctx):
        return x * generator(ctx.keys[0], "mine", ctx.step).random(), x


@pytest.mark.parametrize("made", [Hosted(), Keyed()])
def test_code_that_traces_nothing_is_rejected(data, made):
    dense, act = get("layer", "dense"), get("layer", "activation")
    layers = {"hidden": dense(4), "act": act(made), "out": dense(2)}
    with pytest.raises(
        ConfigError, match=r"cannot be traced: model\.layers\.act \(\w+\): forward: test_compiled_training\.py, line \d+: "
    ):
        train([learner(data, layers=layers)], [data], [0], tier="compiled")


def test_a_component_that_looks_at_a_number_is_named(data):
    dense, act = get("layer", "dense"), get("layer", "activation")
    layers = {"hidden": dense(4), "act": act(Curious()), "out": dense(2)}
    with pytest.raises(ConfigError, match=r"untraceable\.py, line \d+: a traced number has no truth value"):
        train([learner(data, layers=layers)], [data], [0], tier="compiled")


@dataclass(frozen=True)
class Delayed:
    """Steps along the gradient, and along the one of three steps before."""

    lr: float = 0.05
    widens: bool = False

    def init(self, w):
        return dict.fromkeys("abc", w * 0)

    def update(self, w, g, state, lr, ctx):
        oldest = state["c"]
        state["c"], state["b"], state["a"] = state["b"], state["a"], g * 1.0
        if self.widens:
            state["a"] = state["a"].astype(np.float64)
        w -= lr * (g + 0.5 * oldest)


def test_states_of_an_optimizer_may_take_the_place_of_others(data):
    agree([learner(data, Delayed())], data)


def test_a_state_that_changes_its_type_is_rejected(data):
    with pytest.raises(ConfigError, match="the optimizer's state changes from"):
        train([learner(data, Delayed(widens=True))], [data], [0], dtype="float32", tier="compiled")
