"""What probes see of a training step, what they measure, and how that is recorded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from networks import Record, differences, learner, lone, mlp, points, regression

from framework import Context, TrainingStep
from framework.analysis.figures import draw
from framework.analysis.figures.activations import activations
from framework.analysis.figures.run_view import RunView
from framework.config.composition import compose
from framework.config.options import EarlyStopping
from framework.core.errors import ConfigError
from framework.experiments.experiment import prepare
from framework.nn.arena import Arena
from framework.nn.heads import total_loss
from framework.testing.double import Double
from framework.tracking.metrics_file import read_lines
from framework.tracking.recorder import PROBED_SHOWN, MetricsRecorder
from framework.training.probes import ProbeRunner
from framework.training.trainer import train
from framework_activations.relu import Relu
from framework_activations.sigmoid import Sigmoid
from framework_activations.tanh import Tanh
from framework_initializers.he_normal import HeNormal
from framework_initializers.normal import Normal
from framework_initializers.xavier_normal import XavierNormal
from framework_optimizers.adam import Adam
from framework_optimizers.nag import Nag
from framework_optimizers.sgd import Sgd
from framework_probes.activation_spread import ActivationSpread
from framework_probes.dead import Dead
from framework_probes.saturated import Saturated
from framework_probes.sensitivity import Sensitivity
from framework_probes.update_ratio import UpdateRatio

ALL = {
    "dead": Dead(),
    "saturated": Saturated(),
    "activation_spread": ActivationSpread(),
    "update_ratio": UpdateRatio(),
    "sensitivity": Sensitivity(),
}


@dataclass(frozen=True)
class Keep:
    """Not a probe that measures: it hands what it sees to a test."""

    into: list

    def __call__(self, seen):
        self.into.append(seen)
        return {}


def probed(member, *probes, **named):
    """The same learner with these probes."""
    return replace(member, probes={**{f"p{i}": probe for i, probe in enumerate(probes)}, **named})


def one_step(network, probe, data, **options):
    """What a probe measures in the first step of a training with the whole split as batch."""
    record = Record()
    lone(probed(learner(network, steps=1, batch_size="all", **options), probe), data, callbacks=[record])
    ((_, _, values),) = record.looks
    return values


# --- the numbers of the notes


def gaussian(n, features):
    return regression(n, features, outputs=1)


@pytest.mark.parametrize(("initializer", "saturated"), [(Normal(), 0.865), (XavierNormal(), 0.0)])
def test_C11_tanh_saturation(initializer, saturated):
    network = mlp(*[256] * 5, 1, features=256, initializer=initializer)
    values = one_step(network, Saturated(), gaussian(200, 256))
    assert values["activation/act4/saturated"] == pytest.approx(saturated, abs=0.02)


def test_C11_a_sigmoid_saturates_at_both_ends():
    x = np.array([[-5.0], [-4.0], [0.0], [4.0], [5.0], [6.0]])  # sigmoid(4) = 0.982, sigmoid(5) = 0.9933
    network, data = mlp(1, 1, features=1, activation=Sigmoid()), points(x, x)
    values = {}
    for margin in (0.01, 0.02):
        record = Record()
        member = probed(learner(network, steps=1, batch_size="all"), Saturated(margin))
        lone(replace(member, initial={"hidden0": {"W": np.ones((1, 1)), "b": np.zeros((1, 1))}}), data, callbacks=[record])
        values[margin] = record.probe(0, "activation/act0/saturated")[1]
    assert values == {0.01: 3 / 6, 0.02: 5 / 6}


@pytest.mark.parametrize("key", range(3))
def test_C10_more_units_die_at_a_higher_learning_rate(key):
    network, record = mlp(30, 30, 2, activation=Relu(), initializer=HeNormal()), Record()
    stack = [probed(learner(network, Sgd(lr), steps=30, batch_size="all"), Dead()) for lr in (0.03, 0.1, 0.3)]
    train(stack, [regression(60)], [key] * 3, dtype=np.float64, callbacks=[record])
    first, last = ([record.probe(r, "activation/act1/dead")[step] for r in range(3)] for step in (1, 30))
    assert len(set(first)) == 1
    assert last[0] < last[1] < last[2]
    assert last[2] > 0.5


def behind_ten_layers(initializer, activation, keys, n):
    """The standard deviation behind ten layers of width 256, one for each key."""
    record = Record()
    member = learner(mlp(*[256] * 10, 1, features=256, activation=activation, initializer=initializer), steps=1)
    member = probed(replace(member, options=replace(member.options, batch_size="all")), ActivationSpread(("act9",)))
    train([member] * len(keys), [gaussian(n, 256)], keys, callbacks=[record])
    return np.array([record.probe(r, "activation/act9/std")[1] for r in range(len(keys))], float)


@pytest.mark.parametrize(
    ("initializer", "activation", "std"),
    [
        pytest.param(Normal(), Relu(), 2.08e10, id="F2-normal-relu"),
        pytest.param(XavierNormal(), Tanh(), 0.2225, id="F4-xavier-tanh"),
        pytest.param(HeNormal(), Relu(), 0.604, id="F5-he-relu"),
        pytest.param(XavierNormal(), Relu(), 0.0189, id="F5-xavier-relu"),
    ],
)
def test_F_activation_std_by_depth(initializer, activation, std):
    """The notes give one draw; it has to lie within three standard deviations of eight others (of their logarithms: ten
    factors of chance)."""
    found = np.log(behind_ten_layers(initializer, activation, range(8), n=32))
    assert abs(np.log(std) - found.mean()) < 3 * found.std(ddof=1)


def test_F_the_draw_of_the_notes():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((512, 256))
    initial = {f"hidden{i}": {"W": HeNormal()(rng, (256, 256)), "b": np.zeros((1, 256))} for i in range(10)}
    member, record = learner(mlp(*[256] * 10, 1, features=256, activation=Relu()), steps=1, batch_size="all"), Record()
    lone(replace(probed(member, ActivationSpread()), initial=initial), points(x, x[:, :1]), callbacks=[record])
    assert record.probe(0, "activation/act9/std")[1] == pytest.approx(0.604, abs=5e-4)


def test_F6_the_initializer_for_the_activation_keeps_the_signal_alive():
    right = behind_ten_layers(HeNormal(), Relu(), range(2), 32), behind_ten_layers(XavierNormal(), Tanh(), range(2), 32)
    wrong = behind_ten_layers(XavierNormal(), Relu(), range(2), 32), behind_ten_layers(Normal(), Relu(), range(2), 32)
    assert all(0.1 < std < 2 for stds in right for std in stds)
    assert not any(0.1 < std < 2 for stds in wrong for std in stds)


@pytest.mark.parametrize("measure", ["norm", "mean"])
def test_A18_sensitivities_are_derivatives_of_the_loss(measure):
    """delta = dL/d(output of a node), for output and hidden neurons (case 1 and case 2 of the notes)."""
    network, data = mlp(4, 3, 2), regression(n=5)
    member = learner(network, steps=1, batch_size="all", shuffle=False)
    record = Record()
    lone(probed(member, Sensitivity(measure, ("hidden0", "act0", "hidden1", "out"))), data, callbacks=[record])
    ctx, p = Context(batch=data.splits["train"]), network.init(0)[0]
    values, _ = network.forward(p, ctx)
    for node in ("hidden0", "act0", "hidden1", "out"):
        y = values[node].copy()
        delta = differences(lambda: total_loss(member.heads, network.forward(p, ctx, {node: y})[0], ctx)[0], y)  # noqa: B023
        expected = np.sqrt((delta**2).sum()) if measure == "norm" else np.abs(delta).mean()
        assert record.probe(0, f"sensitivity/{node}")[1] == pytest.approx(expected, abs=1e-8)


def test_the_update_ratio_of_sgd_is_lr_times_gradient_over_weights():
    network, record = mlp(4, 2), Record()
    lone(probed(learner(network, Sgd(0.07), epochs=3, probe_every=1), UpdateRatio()), regression(), callbacks=[record])
    p = network.init(0)[0]
    for layer in ("hidden0", "out"):
        size = np.sqrt(sum((a**2).sum() for a in p[layer].values()))
        expected = 0.07 * record.column(0, f"grad_norm/{layer}")[0] / size
        assert record.probe(0, f"update_ratio/{layer}")[1] == pytest.approx(expected, rel=1e-12)


def test_a_unit_is_dead_that_is_0_for_every_example_and_a_channel_at_every_place():
    probe = Dead(("n",))

    def fraction(y, replicas):
        seen = TrainingStep(None, y, {}, {"n": y}, {}, {}, Context(replicas=replicas), Arena({}), y, y)
        return probe(seen)["activation/n/dead"]

    y = np.zeros((2, 3, 4))
    y[0, 1, 0] = y[1, 2, :3] = 1
    assert np.array_equal(fraction(y, (2,)), [3 / 4, 1 / 4])
    assert fraction(y, ()) == 1 / 4  # the same numbers as a sequence: one unit over time and examples
    image = np.zeros((5, 2, 3, 3))
    image[4, 1, 2, 2] = 1
    assert fraction(image, ()) == 1 / 2


# --- what they see, and when


def test_what_a_probe_sees_is_the_step_itself():
    kept = []
    network, data = mlp(4, 2), regression(n=6)
    member = probed(learner(network, Sgd(0.1), steps=1, batch_size="all", clip_norm=0.1), Keep(kept))
    outcome = lone(member, data)
    (seen,) = kept
    p = network.init(0)[0]
    for layer, tensors in p.items():
        for t, a in tensors.items():
            assert np.array_equal(seen.p[layer][t][0], a)
            step = outcome.weights[layer][t] - a
            assert np.allclose(step, -0.1 * seen.g[layer][t][0], atol=1e-15)
    assert np.linalg.norm(seen.g["out"]["W"]) <= 0.1  # clipped
    assert seen.values["out"].shape == seen.dvalues["out"].shape == (1, 6, 2)
    assert seen.values["x"].shape == (1, 6, 3)
    assert np.array_equal(seen.w, seen.arena.fill([p], np.float64))
    assert list(seen.network.activations) == ["act0"]


def test_with_nesterov_the_gradient_is_taken_ahead():
    kept = []
    lone(probed(learner(mlp(4, 2), Nag(0.1), epochs=2, probe_every=1), Keep(kept)), regression())
    ahead = kept[-1].p["out"]["W"]
    assert not np.allclose(ahead, kept[-1].arena.views(kept[-1].w)["out"]["W"])


def test_with_accumulation_the_last_part_is_seen():
    kept = []
    member = learner(mlp(4, 2), steps=1, batch_size=4, accumulate=3, shuffle=False)
    data = regression(n=20)
    lone(probed(member, Keep(kept)), data)
    assert np.array_equal(kept[0].values["x"][0], data.splits["train"]["x"][8:12])


@pytest.mark.parametrize(
    ("every", "steps"), [(1, [*range(1, 26)]), (10, [1, 10, 20, 25]), (5, [1, 5, 10, 15, 20, 25]), (99, [1, 25])]
)
def test_probes_look_at_the_first_the_last_and_every_nth_step(every, steps):
    for read_every in (1, 7, 100):
        record = Record()
        member = learner(mlp(4, 2), steps=25, probe_every=every, read_every=read_every)
        lone(probed(member, ActivationSpread()), regression(), callbacks=[record])
        assert list(record.probe(0, "activation/act0/mean")) == steps


@pytest.mark.parametrize("optimizer", [Adam(0.01), Nag(0.01)])
def test_a_watched_training_is_the_same_to_the_last_bit(optimizer):
    member = learner(mlp(9, 2, keep=0.8), optimizer, epochs=4, clip_norm=1.0, probe_every=1)
    plain, watched = (lone(m, regression(), dtype=np.float32) for m in (member, replace(member, probes=ALL)))
    for node, tensors in plain.weights.items():
        for t, a in tensors.items():
            assert np.array_equal(a, watched.weights[node][t])


def test_every_replica_of_a_stack_has_its_own_series():
    lrs, together = (0.01, 0.05, 0.2), Record()
    members = [replace(learner(mlp(6, 5, 2), Sgd(lr), epochs=5), probes=ALL) for lr in lrs]
    train(members, [regression()], [0, 1, 2], dtype=np.float64, callbacks=[together])
    for r, member in enumerate(members):
        alone = Record()
        lone(member, regression(), r, callbacks=[alone])
        mine = [(step, values) for m, step, values in together.looks if m == r]
        for (step, values), (_, expected_step, expected) in zip(mine, alone.looks, strict=True):
            assert step == expected_step
            assert values == pytest.approx(expected, abs=1e-9)


def test_the_series_of_a_member_ends_where_it_ends():
    stop, record = EarlyStopping(patience=1), Record()
    stack = [
        replace(learner(mlp(9, 2), Sgd(lr), early_stopping=stop, epochs=40, probe_every=2), probes=ALL)
        for lr in (0.3, 1e30, 1e-4)
    ]
    data = regression(n=30, val=20)
    outcomes = train(stack, [data], [0, 1, 2], callbacks=[record])
    assert {"diverged", "stopped_early"} <= {o.status for o in outcomes}
    for outcome in outcomes:
        steps = list(record.probe(outcome.member, "update_ratio/out"))
        assert steps == [n for n in range(1, outcome.step + 1) if n == 1 or n % 2 == 0]


def test_looking_brings_nothing_to_the_host_but_at_a_reading():
    def transfers(probes, steps):
        xp = Double()
        member = replace(learner(mlp(6, 2), steps=steps, probe_every=3, validate_every=1000), probes=probes)
        train([member] * 2, [regression(400)], [0, 1], xp=xp)
        return np.array([xp.to_host, xp.to_device])

    assert np.array_equal(transfers(ALL, 20) - transfers({}, 20), [1, 0])
    assert np.array_equal(transfers(ALL, 90) - transfers({}, 90), [1, 0])


# --- what cannot be


@dataclass(frozen=True)
class Odd:
    """Measures what a test says."""

    found: Mapping

    def __call__(self, seen):
        return {name: value(seen) if callable(value) else value for name, value in self.found.items()}


@pytest.mark.parametrize(
    ("probes", "told"),
    [
        ({"a": Odd({"m": np.ones((1, 7, 2))})}, r"probes\.a: 'm' has shape \(1, 7, 2\), not one number, or a row of them"),
        (
            {"a": Odd({"val/loss": np.ones(1)})},
            r"probes\.a: 'val/loss' must not begin with train/, val/",
        ),
        (
            {"a": Dead(("act0",)), "b": Dead()},
            r"probes\.b: the metric 'activation/act0/dead' is used already, by the probe 'a'",
        ),
        ({"a": Dead(("act",))}, r"probes\.a\.nodes: unknown layer 'act'; did you mean 'act0'\?"),
        ({"a": Sensitivity(nodes=("idle",))}, "node 'idle'"),
        ({"a": UpdateRatio(("act0",))}, "layer 'act0' has no trained tensors"),
    ],
)
def test_what_a_probe_cannot_measure_is_told(probes, told):
    network = mlp(4, 2, activation=Relu())
    network = replace(network, nodes={"idle": network.nodes["act0"].layer, **{n: v.layer for n, v in network.nodes.items()}})
    with pytest.raises(ValueError, match=told):
        lone(replace(learner(network, steps=1), probes=probes), regression())


def test_a_probe_measures_the_same_things_at_every_step():
    probe = Odd({"m": np.ones(1)})
    watch = ProbeRunner(np, 1, 10)
    seen = TrainingStep(None, None, {}, {}, {}, {}, Context(replicas=(1,)), Arena({}), None, None)
    watch.look(1, {"a": probe}, seen)
    with pytest.raises(ValueError, match="the metrics changed from m to n; keep them equal"):
        watch.look(2, {"a": Odd({"n": np.ones(1)})}, seen)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["probes=dead", "probes.dead.nodes=[actt]"], r"probes\.dead\.nodes: unknown layer 'actt'; did you mean 'act'\?"),
        (["probes=[saturated]", "probes.saturated.margin=2"], r"probes\.saturated\.margin: 2\.0 must be below 0\.5"),
        (
            ["probes=dead", "probes.dead.node=[act]"],
            r"probes\.dead\.node: probe 'dead' has no such option; did you mean 'nodes'",
        ),
    ],
)
def test_a_wrong_request_is_told_before_anything_runs(words, told):
    with pytest.raises(ConfigError, match=told):
        prepare(compose([*words, "dataset=spirals"]))


def test_presets_and_lists_choose_probes():
    assert list(compose(["probes=layers"]).probes) == list(ALL)
    chosen = compose(["probes=[dead,saturated]", "probes.dead.nodes=[act]", "probes.saturated.margin=0.02"]).probes
    assert chosen == {"dead": Dead(("act",)), "saturated": Saturated(0.02)}
    assert list(compose(["probes=layers", "probes.dead=null"]).probes) == list(ALL)[1:]


# --- the record


class Sink:
    def __init__(self):
        self.sent = []

    def points(self, points):
        self.sent += [(name, value, step) for name, value, step, _ in points]


def written(folder, sink, steps=200):
    """A run folder as a training with probes at every fifth step fills it."""
    recorder = MetricsRecorder(folder, steps, 10, sink, max_points=10, probe_every=5)
    rng = np.random.default_rng(0)
    for start in range(1, steps + 1, 50):
        recorder.on_steps(0, start, ("train/loss", "grad_norm/total"), rng.standard_normal((50, 2)).astype(np.float32))
        at = np.arange(start, start + 50)
        at = at[(at % 5 == 0) | (at == 1)]
        recorder.on_probe(0, at, ("activation/100%/dead", "b"), rng.uniform(size=(len(at), 2)).astype(np.float32))
        recorder.on_metrics(0, start + 49, {"val/loss": 1 / start})
    recorder.on_end()
    recorder.sync()


def test_a_store_that_is_filled_again_gets_the_same_points(tmp_path):
    sinks = Sink(), Sink()
    written(tmp_path, sinks[0])
    size = (tmp_path / "metrics.jsonl").stat().st_size
    again = MetricsRecorder(tmp_path, 200, 10, sinks[1], max_points=10, upto=size, probe_every=5)
    again.on_end()
    again.sync()
    assert sorted(sinks[0].sent) == sorted(sinks[1].sent)
    steps = sorted(step for name, _, step in sinks[0].sent if name == "activation/100%/dead")
    assert (steps[0], steps[-1]) == (1, 200)
    assert len(steps) == len(set(steps)) <= 10


def test_very_many_names_of_probes_stay_in_the_folder(tmp_path):
    sink, columns = Sink(), [f"activation/{i}/dead" for i in range(PROBED_SHOWN + 30)]
    recorder = MetricsRecorder(tmp_path, 10, 1, sink)
    for step in (1, 2):
        recorder.on_probe(0, np.array([step]), columns, np.ones((1, len(columns))))
    recorder.on_metrics(0, 2, {"val/loss": 1.0})
    recorder.sync()
    assert {name for name, *_ in sink.sent} == {*columns[:PROBED_SHOWN], "val/loss"}
    assert len(read_lines(tmp_path / "metrics.jsonl")[0]) == len(columns) + 1


def test_numbers_that_are_not_finite_are_recorded(tmp_path):
    recorder = MetricsRecorder(tmp_path, 10, 1)
    recorder.on_probe(0, np.array([1, 10]), ["update_ratio/out"], np.array([[np.inf], [0.5]]))
    recorder.sync()
    assert [line["update_ratio/out"] for line in read_lines(tmp_path / "metrics.jsonl")] == [np.inf, 0.5]


@pytest.mark.parametrize("depth", [1, 4])
def test_a_figure_shows_activations(tmp_path, depth):
    member = replace(learner(mlp(*[5] * depth, 2), epochs=2), probes=ALL)
    recorder = MetricsRecorder(tmp_path, 100, 2)
    lone(member, regression(), callbacks=[recorder])
    recorder.sync()
    assert tmp_path / "figures" / "activations.png" in draw(RunView(tmp_path))


def test_the_panels_of_the_figure_hold_nodes_in_order():
    one = np.array([[1.0, 0.5]])
    names = [
        "train/loss",
        "activation/b/dead",
        "activation/a/dead",
        "activation/b/mean",
        "activation/c/std",
        "sensitivity/b",
    ]
    found = activations(dict.fromkeys(names, one))
    assert {what: list(nodes) for what, nodes in found.items()} == {"dead": ["b", "a"], "std": ["c"]}
